# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the next active instance must know, recorded in two ConfigMaps: the Services that hold routes, and the HTTP routes that may be registered.

gorouters do not list their routes, and never prune routes with TLS.
"""

from __future__ import annotations

import base64
import collections
import gzip
import json
import typing as t
import zlib

from .errors import RoutingError
from .holders import Holders, Key
from .kubernetes import Kubernetes
from .messages import Table
from .status import log

T = t.TypeVar("T")
DAMAGES = (ValueError, TypeError, LookupError, AttributeError, OSError, EOFError, zlib.error)


def compress(value: object) -> str:
    return base64.b64encode(gzip.compress(json.dumps(value, separators=(",", ":")).encode(), mtime=0)).decode()


def decompress(text: str) -> t.Any:
    return json.loads(gzip.decompress(base64.b64decode(text)))


def encode(table: Table) -> str:
    """Encode a table compactly: most routes share one set of hosts, which is written once."""
    places = {ips: place for place, ips in enumerate(sorted(set(table.values()), key=sorted))}
    # The segment is last and optional, because an earlier version knows none.
    routes = [[*key, places[ips], *([segment] if segment else [])] for (*key, segment), ips in sorted(table.items())]
    return compress({"hosts": [sorted(ips) for ips in places], "routes": routes})


def decode(text: str) -> Table:
    content = decompress(text)
    hosts = [frozenset(ips) for ips in content["hosts"]]
    return {(uri, port, tls_name, segment[0] if segment else ""): hosts[place] for uri, port, tls_name, place, *segment in content["routes"]}


def encode_holders(*kinds: Holders) -> str:
    """Encode the holders of each kind of route: the keys by UID, or null if they are lost."""
    return compress([None if kind.lost else _by_uid(kind) for kind in kinds])


def _by_uid(holders: Holders) -> dict[str, list[Key]]:
    keys = collections.defaultdict(list)
    for key, uid in sorted(holders.of.items()):
        keys[uid].append(key)
    return dict(sorted(keys.items()))


def decode_holders(text: str) -> tuple[Holders, Holders]:
    tcp, http = (
        Holders(lost=True) if kind is None else Holders({key: uid for uid, keys in kind.items() for key in keys}) for kind in decompress(text)
    )
    return tcp, http


class Missing(RoutingError):
    """The ConfigMap does not exist."""


class ConfigMap:
    """One text in a ConfigMap, which exists before this program starts: its user may not create one."""

    def __init__(self, api: Kubernetes, namespace: str, name: str, key: str) -> None:
        self._api, self._key = api, key
        self._path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
        self.title = f"ConfigMap {namespace}/{name}"

    async def read(self) -> str | None:
        """Return the text, or None if nothing was ever written."""
        return self._text(await self._find())

    async def write(self, text: str) -> None:
        """Write the text. The API server refuses it if another instance has written since the ConfigMap was read."""
        found = await self._find()
        if self._text(found) != text:
            await self._api.request("PUT", self._path, {**found, "binaryData": {**(found.get("binaryData") or {}), self._key: text}})

    async def _find(self) -> dict[str, t.Any]:
        found = await self._api.find(self._path)
        if found is None:
            raise Missing(f"{self.title} does not exist: run site.yml, which creates it")
        return found

    def _text(self, found: dict[str, t.Any]) -> str | None:
        return (found.get("binaryData") or {}).get(self._key)


async def recall(store: ConfigMap, decoder: t.Callable[[str], T], new: T, lost: T, effect: str) -> T:
    """Return the content of a record: `new` if nothing was ever written, `lost` if the record is damaged or missing."""
    try:
        text = await store.read()
    except Missing as error:
        log.warning("%s, and %s", error, effect)
        return lost
    try:
        return new if text is None else decoder(text)
    except DAMAGES as error:
        log.warning("%s is damaged, and %s: %s", store.title, effect, error)
        return lost


class RouteRecord:
    """The HTTP routes that may be registered. Its ConfigMap has the name of the lease."""

    def __init__(self, api: Kubernetes, lease: dict[str, str]) -> None:
        self._store = ConfigMap(api, lease["namespace"], lease["name"], "http-routes.json.gz")
        self._written: str | None = None

    async def read(self) -> Table:
        """Return the table that the last active instance wrote."""
        self._written = None
        # Outdated routes that stay registered do less harm than stopping the registration.
        return await recall(self._store, decode, {}, {}, "its routes are not unregistered")

    async def write(self, table: Table) -> None:
        text = encode(table)
        if text != self._written:
            await self._store.write(text)
            self._written = text


class HolderRecord:
    """The Services that hold TCP ports and the URIs of HTTP routes."""

    def __init__(self, api: Kubernetes, lease: dict[str, str]) -> None:
        self._store = ConfigMap(api, lease["namespace"], f"{lease['name']}-holders", "holders.json.gz")

    async def read(self) -> tuple[Holders, Holders]:
        """Return the holders of TCP ports and of URIs that the last active instance wrote."""
        new, lost = (Holders(), Holders()), (Holders(lost=True), Holders(lost=True))
        return await recall(self._store, decode_holders, new, lost, "nobody gets a route that several Services request")

    async def write(self, tcp: Holders, http: Holders) -> None:
        """Write the holders, also if somebody else has changed or deleted the record meanwhile."""
        await self._store.write(encode_holders(tcp, http))

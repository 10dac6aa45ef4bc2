# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP routes that may be registered, recorded in the cluster for the next active instance.

gorouters do not list their routes, and never prune routes with TLS.
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib

from .kubernetes import Kubernetes
from .status import log

Table = dict[tuple[str, int, str], frozenset[str]]
KEY = "http-routes.json.gz"


def encode(table: Table) -> str:
    """Encode a table compactly: most routes share one set of hosts, which is written once."""
    places = {ips: place for place, ips in enumerate(sorted(set(table.values()), key=sorted))}
    content = {"hosts": [sorted(ips) for ips in places], "routes": [[*key, places[ips]] for key, ips in sorted(table.items())]}
    return base64.b64encode(gzip.compress(json.dumps(content, separators=(",", ":")).encode(), mtime=0)).decode()


def decode(text: str) -> Table:
    content = json.loads(gzip.decompress(base64.b64decode(text)))
    hosts = [frozenset(ips) for ips in content["hosts"]]
    return {(uri, node_port, tls_name): hosts[place] for uri, node_port, tls_name, place in content["routes"]}


class Record:
    """A ConfigMap in the lease's namespace, with the lease's name."""

    def __init__(self, api: Kubernetes, lease: dict[str, str]) -> None:
        self._api, self._name = api, lease["name"]
        self._path = f"/api/v1/namespaces/{lease['namespace']}/configmaps"
        self._written = encode({})

    async def read(self) -> Table:
        """Return the table that the last active instance wrote."""
        found = await self._api.find(f"{self._path}/{self._name}")
        self._written = (found or {}).get("binaryData", {}).get(KEY) or encode({})
        try:
            return decode(self._written)
        except (ValueError, TypeError, LookupError, OSError, EOFError, zlib.error) as error:
            # Outdated routes that stay registered do less harm than stopping the registration.
            log.warning("%s/%s is damaged, so its routes are not unregistered: %s", self._path, self._name, error)
            return {}

    async def write(self, table: Table) -> None:
        text = encode(table)
        if text == self._written:
            return
        value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": self._name}, "binaryData": {KEY: text}}
        if await self._api.find(f"{self._path}/{self._name}") is None:
            await self._api.request("POST", self._path, value)
        else:
            await self._api.request("PUT", f"{self._path}/{self._name}", value)
        self._written = text

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client of Cloud Foundry's routing API, for TCP routes only."""

from __future__ import annotations

import asyncio
import collections
import json
import re
import time
import typing as t

import aiohttp

from .errors import Duplicates, RoutingError, Unanswered, reason
from .files import Tls
from .ports import Ports
from .status import REQUESTS
from .uaa import Uaa

TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=5)
# Mappings in one request. The API writes them one by one, so a database with 60 ms for each still answers in time.
BATCH = 250
# A request without an answer has ended if the listing has not changed for this time.
LOOK_SECONDS, SETTLED_SECONDS = 2, 10
# Rows are hidden when they expire, but count until the API prunes them, every ten seconds.
PRUNED_SECONDS = 12
# Gorouter in front of the API answers these if the API takes too long.
GATEWAY_ERRORS = (502, 504)
SCOPES = "routing.router_groups.read, routing.routes.read, routing.routes.write"


class Mapping(t.NamedTuple):
    """One backend of one TCP route."""

    port: int
    ip: str
    backend_port: int

    def __str__(self) -> str:
        return f"{self.port} to {self.ip}:{self.backend_port}"


class Listed(t.NamedTuple):
    """A mapping as the API lists it, with its owner, its TLS port, and the number of its renewals."""

    mapping: Mapping
    owner: str
    tls_port: int = -1
    renewals: int = 0


class RouterGroup(t.NamedTuple):
    guid: str
    ports: Ports


class RoutingApi:
    """The TCP routes of one router group."""

    def __init__(self, session: aiohttp.ClientSession, uaa: Uaa, config: dict, owner: str = "") -> None:
        self._session, self._uaa, self._config = session, uaa, config
        self._tls = Tls(config["ca_file"])
        # Sent as instance_id, which the API stores and lists, and the routers use only for backends with TLS.
        self.owner = owner
        # The mappings of a request without an answer, and what the listing last showed of them.
        self._running: frozenset[Mapping] = frozenset()
        self._progress: tuple[t.Any, float] = (None, 0.0)

    async def router_group(self) -> RouterGroup:
        """Find the group by its name. Its GUID and its ports may change."""
        wanted = self._config["router_group"]
        # The whole list is short. With a filter by name, an error could not name the existing groups.
        groups = await self._request("GET", "router_groups")
        found = [group for group in groups if group.get("name") == wanted]
        if not found:
            raise RoutingError(
                f"there is no router group {wanted}; there are {', '.join(sorted(group.get('name', '') for group in groups)) or 'none'}"
            )
        if found[0].get("type") != "tcp":
            raise RoutingError(f"router group {wanted}: found type {found[0].get('type')}, expected tcp")
        try:
            return RouterGroup(found[0]["guid"], Ports.parse(found[0].get("reservable_ports") or ""))
        except (KeyError, ValueError) as error:
            raise RoutingError(f"router group {wanted}: found {json.dumps(found[0])}, expected a guid and ranges of reservable ports") from error

    async def mappings(self, group: RouterGroup) -> list[Listed]:
        """List the mappings of the group with the configured SNI host name, or those without one if none is configured."""
        return await self._list(group, lambda row: (row.get("backend_sni_hostname") or None) == self._config["sni_hostname"])

    async def strangers(self, group: RouterGroup, port: int) -> list[Listed]:
        """List the mappings of others on a port that clients of the configured SNI host name, or clients without one, may reach."""
        names = (None, self._config["sni_hostname"])
        listed = await self._list(group, lambda row: row["port"] == port and (row.get("backend_sni_hostname") or None) in names)
        return [entry for entry in listed if entry.owner != self.owner]

    async def _list(self, group: RouterGroup, wanted: t.Callable[[dict[str, t.Any]], bool]) -> list[Listed]:
        def reduce(row: dict[str, t.Any]) -> Listed | None:
            # Called for each object as it is parsed, because the whole list may have tens of thousands. A modification tag is an object, too.
            if "router_group_guid" not in row:
                return row.get("index")
            if row["router_group_guid"] != group.guid or not wanted(row):
                return None
            mapping = Mapping(row["port"], row["backend_ip"], row["backend_port"])
            return Listed(mapping, row.get("instance_id") or "", row.get("backend_tls_port") or 0, row.get("modification_tag") or 0)

        try:
            return [entry for entry in await self._request("GET", "tcp_routes", reduce=reduce) if entry]
        except (KeyError, TypeError) as error:
            raise RoutingError(f"cannot read the list of TCP routes: {type(error).__name__} {error}") from error

    async def register(self, group: RouterGroup, mappings: t.Sequence[Mapping]) -> None:
        """Register mappings, or renew them."""
        for start in range(0, len(mappings), BATCH):
            await self._change(group, "create", mappings[start : start + BATCH])

    async def delete(self, group: RouterGroup, mappings: t.Collection[Mapping]) -> None:
        """Delete mappings and verify that by a listing, because the API answers every deletion with success."""
        if not mappings:
            return
        listed = list(mappings)
        for start in range(0, len(listed), BATCH):
            await self._change(group, "delete", listed[start : start + BATCH])
        # Compared without the owner: an earlier installation may have registered the same backends under another one.
        left = set(mappings) & {entry.mapping for entry in await self.mappings(group)}
        if left:
            raise RoutingError(f"{len(left)} TCP routes still exist after their deletion, such as that from {min(left)}")

    async def _change(self, group: RouterGroup, action: str, mappings: t.Sequence[Mapping]) -> None:
        """Create or delete mappings. The API finishes a request whose client has gone, and a repetition that races it makes duplicates."""
        await self._settle(group)
        try:
            await self._request("POST", f"tcp_routes/{action}", [self._body(group, mapping) for mapping in mappings])
        except Unanswered:
            self._running, self._progress = frozenset(mappings), (None, 0.0)
            raise

    async def _settle(self, group: RouterGroup) -> None:
        """Wait until a request without an answer has ended."""
        while self._running:
            found = sorted(entry for entry in await self.mappings(group) if entry.mapping in self._running)
            if found != self._progress[0]:
                self._progress = (found, time.monotonic())
            elif time.monotonic() >= self._progress[1] + SETTLED_SECONDS:
                self._running = frozenset()
                return
            await asyncio.sleep(LOOK_SECONDS)

    def _body(self, group: RouterGroup, mapping: Mapping) -> dict[str, object]:
        body = {
            "router_group_guid": group.guid,
            "port": mapping.port,
            "backend_ip": mapping.ip,
            "backend_port": mapping.backend_port,
            # No TLS. If it is missing, the column is NULL: every registration makes a new row, and no deletion matches one.
            "backend_tls_port": -1,
            "instance_id": self.owner,
            "ttl": self._config["ttl"],
        }
        if self._config["sni_hostname"]:
            body["backend_sni_hostname"] = self._config["sni_hostname"]
        return body

    async def _request(
        self, method: str, path: str, body: list | None = None, reduce: t.Callable[[dict[str, t.Any]], t.Any] | None = None
    ) -> t.Any:
        status, text = await self._send(method, path, body)
        if status == 401:
            # The token may have expired meanwhile, or UAA's keys may have changed.
            self._uaa.forget()
            status, text = await self._send(method, path, body)
        message = _message(text)
        if status == 401:
            raise RoutingError(f"{method} {path}: the token is refused: {message} (UAA's client needs the authorities {SCOPES})")
        if method == "POST" and status in GATEWAY_ERRORS:
            raise Unanswered(f"{method} {path}: HTTP {status}: {message}")
        if "duplicate tcp route mappings" in message.lower():
            raise Duplicates(f"{method} {path}: HTTP {status}: {message}; they expire within {self._config['ttl'] + PRUNED_SECONDS} s")
        if status == 400 and re.search(r"cannot unmarshal number -1 into .*backend_tls_port", message):
            raise RoutingError(f"the routing API is too old, expected that of cf-deployment 43 or later (routing-release 0.302): {message}")
        if not 200 <= status < 300:
            raise RoutingError(f"{method} {path}: HTTP {status}: {message}")
        if method != "GET":
            return None
        try:
            return json.loads(text, object_hook=reduce)
        except ValueError as error:
            raise RoutingError(f'{method} {path}: found "{message}", expected JSON') from error

    async def _send(self, method: str, path: str, body: list | None) -> tuple[int, str]:
        url = f"{self._config['url'].rstrip('/')}/routing/v1/{path}"
        headers = {"Authorization": f"bearer {await self._uaa.token()}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        request = self._session.request(
            method, url, data=data, headers=headers, ssl=self._tls.context(), timeout=TIMEOUT, allow_redirects=False
        )
        try:
            async with request as answer:
                REQUESTS.labels("routing_api", method, answer.status).inc()
                return answer.status, await answer.text(errors="replace")
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            # Nothing was sent.
            raise RoutingError(f"{method} {path}: {reason(error)}") from error
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            text = f"no answer from {url} within {TIMEOUT.total} s" if isinstance(error, asyncio.TimeoutError) else reason(error)
            raise (Unanswered if method == "POST" else RoutingError)(f"{method} {path}: {text}") from error


def duplicates(listed: t.Iterable[Listed]) -> frozenset[Mapping]:
    """Return the mappings that have several rows. Rows without a TLS port have another key."""
    rows = collections.Counter(entry.mapping for entry in listed if entry.tls_port == -1)
    return frozenset(mapping for mapping, count in rows.items() if count > 1)


def _message(text: str) -> str:
    """Return the message of an answer from the API, or from a router in front of it."""
    try:
        answer = json.loads(text)
        return f"{answer['name']}: {answer['message']}"
    except (ValueError, KeyError, TypeError):
        return " ".join(text.split())[:200]

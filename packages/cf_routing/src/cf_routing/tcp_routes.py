# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TCP routes: wanted against registered, and how the difference gets to the routing API."""

from __future__ import annotations

import asyncio
import contextlib
import time
import typing as t

from .backoff import Backoff
from .errors import FAULTS, RoutingError
from .ports import Ports
from .routing_api import Listed, Mapping, RouterGroup, RoutingApi
from .status import HEARTBEAT, Status, log
from .tables import union, without
from .wanted import TcpRoute

# External port and node port, with the hosts behind.
Table = dict[tuple[int, int], frozenset[str]]


def table(routes: t.Iterable[TcpRoute]) -> Table:
    return {(route.port, route.node_port): route.addresses for route in routes if route.addresses}


def mappings(entries: Table) -> list[Mapping]:
    return [Mapping(port, ip, node_port) for (port, node_port), ips in entries.items() for ip in sorted(ips)]


def read(listed: t.Iterable[Listed], owner: str) -> tuple[Table, frozenset[int]]:
    """Tell ours, by the mark that we left, from the ports that others have."""
    ours: dict[tuple[int, int], set[str]] = {}
    others = set()
    for entry in listed:
        if entry.owner == owner:
            ours.setdefault((entry.mapping.port, entry.mapping.backend_port), set()).add(entry.mapping.ip)
        else:
            others.add(entry.mapping.port)
    # A port that we had before stays ours.
    return {key: frozenset(ips) for key, ips in ours.items()}, frozenset(others - {port for port, _node_port in ours})


class TcpRoutes:
    """Registers what is wanted, again and again, and deletes what is not wanted any more."""

    def __init__(self, api: RoutingApi, ttl: int, status: Status, changed: t.Callable[[], None]) -> None:
        self._api, self._ttl, self._status, self._changed = api, ttl, status, changed
        # What the plan has to know; no port can be had before it is known.
        self.ports, self.taken = Ports(()), frozenset()
        self.known = self._planned = False
        self._wanted: Table = {}
        self._registered: Table = {}
        # Ports that nobody else had when we looked.
        self._free: set[int] = set()
        self._group: RouterGroup | None = None
        self._wake = asyncio.Event()
        self._heartbeat_at = 0.0

    def want(self, routes: t.Iterable[TcpRoute]) -> None:
        self._wanted, self._planned = table(routes), True
        self._wake.set()

    async def run(self) -> None:
        """Keep the routes, until it is cancelled. Starts by reading what another instance left."""
        self._begin()
        backoff = Backoff()
        while True:
            self._wake.clear()
            try:
                await self._reconcile()
                self._status.succeeded("routing_api")
                backoff.reset()
            except FAULTS as error:
                self._status.failed("routing_api", error)
                # Whether it arrived is unknown: everything goes again.
                self._heartbeat_at = 0.0
                await asyncio.sleep(backoff.next())
                continue
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), max(0.0, self._heartbeat_at - time.monotonic()) if self._planned else None)

    def _begin(self) -> None:
        self.known = self._planned = False
        self._registered, self._free, self._heartbeat_at = {}, set(), 0.0

    async def _reconcile(self) -> None:
        begin = time.monotonic()
        beat = begin >= self._heartbeat_at
        if beat or self._group is None:
            group = await self._api.router_group()
            if self._group and group.guid != self._group.guid:
                # Another group of that name: nothing of ours is in it.
                self._begin()
            self._group = group
        wanted = self._wanted
        if not self.known or beat and self.taken or any(port not in self._free for port, _node_port in wanted):
            await self._read_registered(wanted)
        if self._group.ports != self.ports or not self.known:
            self.ports, self.known = self._group.ports, True
            self._changed()
        if not self._planned:
            return  # what should go is not known yet
        wanted = {key: ips for key, ips in wanted.items() if key[0] in self._free}

        gone = without(self._registered, wanted)
        if gone:
            await self._api.delete(self._group, mappings(gone))
            self._registered = without(self._registered, gone)
            log.info("deleted %d TCP backends of ports %s", len(mappings(gone)), shown(gone))
        new = without(wanted, self._registered)
        if new or beat:
            # Before it is asked for: if the answer is lost, it may be there.
            self._registered = union(self._registered, wanted)
            await self._api.register(self._group, mappings(wanted if beat else new))
        if new:
            log.info("registered %d TCP backends of ports %s", len(mappings(new)), shown(new))
        if beat:
            self._heartbeat_at = begin + self._ttl / 3
            HEARTBEAT.labels("tcp").set(time.monotonic() - begin)

    async def _read_registered(self, wanted: Table) -> None:
        """See what is registered, before anything new is."""
        ours, taken = read(await self._api.mappings(self._group), self._api.owner)
        self._registered = union(self._registered, ours)
        taken -= {port for port, _node_port in self._registered}
        self._free = {port for port, _node_port in {**wanted, **self._registered}} - taken
        if taken != self.taken:
            self.taken = taken
            self._changed()

    async def withdraw(self) -> None:
        """Delete everything of ours, also what an earlier run left."""
        if not self._api.owner:
            raise RoutingError("which TCP routes are ours was never known")
        group = await self._api.router_group()
        ours, _taken = read(await self._api.mappings(group), self._api.owner)
        await self._api.delete(group, mappings(union(ours, self._registered)))
        self._registered = {}


def shown(entries: Table) -> str:
    ports = sorted({port for port, _node_port in entries})
    return ", ".join(map(str, ports[:10])) + (f" and {len(ports) - 10} more" if len(ports) > 10 else "")

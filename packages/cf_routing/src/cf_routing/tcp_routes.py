# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TCP routes: compares the wanted with the registered ones, and sends the difference to the routing API."""

from __future__ import annotations

import asyncio
import contextlib
import time
import typing as t

from .backoff import Backoff
from .errors import FAULTS, RoutingError
from .ports import Ports
from .routes import TcpRoute
from .routing_api import Listed, Mapping, RouterGroup, RoutingApi
from .status import HEARTBEAT, Status, log
from .tables import union, without

# The external port and the node port; the value is the addresses of the backends.
Table = dict[tuple[int, int], frozenset[str]]


def table(routes: t.Iterable[TcpRoute]) -> Table:
    return {(route.port, route.node_port): route.addresses for route in routes if route.addresses}


def mappings(entries: Table) -> list[Mapping]:
    return [Mapping(port, ip, node_port) for (port, node_port), ips in entries.items() for ip in sorted(ips)]


def read(listed: t.Iterable[Listed], owner: str) -> tuple[Table, frozenset[int]]:
    """Split a listing by owner into the routes of this cluster and the ports of others."""
    ours: dict[tuple[int, int], set[str]] = {}
    others = set()
    for entry in listed:
        if entry.owner == owner:
            ours.setdefault((entry.mapping.port, entry.mapping.backend_port), set()).add(entry.mapping.ip)
        else:
            others.add(entry.mapping.port)
    # A port on which this cluster already has a route stays with it.
    return {key: frozenset(ips) for key, ips in ours.items()}, frozenset(others - {port for port, _node_port in ours})


class TcpRoutes:
    """Registers the wanted routes periodically, and deletes those that are no longer wanted."""

    def __init__(self, api: RoutingApi, ttl: int, status: Status, changed: t.Callable[[], None]) -> None:
        self._api, self._ttl, self._status, self._changed = api, ttl, status, changed
        # Input of the plan. No port is available before it is known.
        self.ports, self.taken = Ports(()), frozenset()
        self.known = self._planned = False
        self._wanted: Table = {}
        self._registered: Table = {}
        # Ports that had no other owner at the last listing.
        self._available: set[int] = set()
        self._group: RouterGroup | None = None
        self._wake = asyncio.Event()
        self._heartbeat_at = 0.0

    def want(self, routes: t.Iterable[TcpRoute]) -> None:
        self._wanted, self._planned = table(routes), True
        self._wake.set()

    @property
    def registered(self) -> t.Iterable[tuple[int, int]]:
        """The ports and node ports that may be registered."""
        return self._registered

    async def run(self) -> None:
        """Keep the routes registered until cancelled. First read the routes of the last active instance."""
        self._reset()
        backoff = Backoff()
        while True:
            self._wake.clear()
            try:
                await self._reconcile()
                self._status.succeeded("routing_api")
                backoff.reset()
            except FAULTS as error:
                self._status.failed("routing_api", error)
                # The request may or may not have arrived, so everything is registered again.
                self._heartbeat_at = 0.0
                await asyncio.sleep(backoff.next())
                continue
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), max(0.0, self._heartbeat_at - time.monotonic()) if self._planned else None)

    def _reset(self) -> None:
        self.known = self._planned = False
        self._registered, self._available, self._heartbeat_at = {}, set(), 0.0

    async def _reconcile(self) -> None:
        started = time.monotonic()
        heartbeat = started >= self._heartbeat_at
        if heartbeat or self._group is None:
            group = await self._api.router_group()
            if self._group and group.guid != self._group.guid:
                # A new group of that name has none of this cluster's routes.
                self._reset()
            self._group = group
        wanted = self._wanted
        if not self.known or heartbeat and self.taken or any(port not in self._available for port, _node_port in wanted):
            await self._read_registered(wanted)
        if self._group.ports != self.ports or not self.known:
            self.ports, self.known = self._group.ports, True
            self._changed()
        if not self._planned:
            return  # without a plan, it is unknown which routes to delete
        wanted = {key: ips for key, ips in wanted.items() if key[0] in self._available}

        gone = without(self._registered, wanted)
        if gone:
            await self._api.delete(self._group, mappings(gone))
            self._registered = without(self._registered, gone)
            log.info("deleted %d TCP backends of ports %s", len(mappings(gone)), shown(gone))
        new = without(wanted, self._registered)
        if new or heartbeat:
            # Noted before the request, because the routes may exist even if the answer is lost.
            self._registered = union(self._registered, wanted)
            await self._api.register(self._group, mappings(wanted if heartbeat else new))
        if new:
            log.info("registered %d TCP backends of ports %s", len(mappings(new)), shown(new))
        if heartbeat:
            self._heartbeat_at = started + self._ttl / 3
            HEARTBEAT.labels("tcp").set(time.monotonic() - started)

    async def _read_registered(self, wanted: Table) -> None:
        """List the registered routes, to find this cluster's own and the ports of others."""
        ours, taken = read(await self._api.mappings(self._group), self._api.owner)
        self._registered = union(self._registered, ours)
        taken -= {port for port, _node_port in self._registered}
        self._available = {port for port, _node_port in {**wanted, **self._registered}} - taken
        if taken != self.taken:
            self.taken = taken
            self._changed()

    async def withdraw(self) -> None:
        """Delete all routes of this cluster, including those of an earlier instance."""
        if not self._api.owner:
            raise RoutingError("cannot find this cluster's TCP routes, because its identity is not known yet")
        group = await self._api.router_group()
        ours, _taken = read(await self._api.mappings(group), self._api.owner)
        await self._api.delete(group, mappings(union(ours, self._registered)))
        self._registered = {}


def shown(entries: Table) -> str:
    ports = sorted({port for port, _node_port in entries})
    return ", ".join(map(str, ports[:10])) + (f" and {len(ports) - 10} more" if len(ports) > 10 else "")

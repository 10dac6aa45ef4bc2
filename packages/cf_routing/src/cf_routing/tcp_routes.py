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
from .errors import FAULTS, Duplicates, RoutingError
from .ports import Ports
from .routes import TcpRoute
from .routing_api import BATCH, PRUNED_SECONDS, Listed, Mapping, RouterGroup, RoutingApi, duplicates
from .status import HEARTBEAT, SHARE_OF_TIME, Status, log
from .tables import union, without

# The external port and the node port; the value is the addresses of the backends.
Table = dict[tuple[int, int], frozenset[str]]

# The share of one routing API's time that renewals may take, as long as that keeps every route alive.
SHARE = 0.2
# A mapping is renewed after a third of its life, and after two thirds at the latest.
EARLIEST, LATEST = 1 / 3, 2 / 3
DUPLICATES_SECONDS = 5


def table(routes: t.Iterable[TcpRoute]) -> Table:
    return {(route.port, route.node_port): route.addresses for route in routes if route.addresses}


def mappings(entries: Table) -> list[Mapping]:
    return [Mapping(port, ip, node_port) for (port, node_port), ips in entries.items() for ip in sorted(ips)]


def tabled(entries: t.Iterable[Mapping]) -> Table:
    """Return the table of mappings."""
    found: dict[tuple[int, int], set[str]] = {}
    for mapping in entries:
        found.setdefault((mapping.port, mapping.backend_port), set()).add(mapping.ip)
    return {key: frozenset(ips) for key, ips in found.items()}


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


def pause(took: float, batches: int, ttl: float) -> float:
    """Return the seconds to wait after a batch of renewals that took some seconds, so that all of them are renewed in time."""
    return max(0.0, min(took / SHARE, LATEST * ttl / batches) - took)


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
        # Mappings with several rows, and the time until which the API refuses them after it has ceased to list them.
        self._duplicates: dict[Mapping, float] = {}
        self._duplicates_at = 0.0
        self._group: RouterGroup | None = None
        self._wake = asyncio.Event()
        # The mappings that are still to be renewed in this round, how many batches it has, and what it has cost.
        self._due: list[Mapping] = []
        self._in_round, self._batches, self._spent, self._round_at = False, 1, 0.0, 0.0
        # The first round, and one after a failure, have no pauses, because routes may expire soon.
        self._urgent = True
        self._heartbeat_at = self._batch_at = 0.0

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
                self._due, self._in_round, self._urgent, self._heartbeat_at = [], False, True, 0.0
                if isinstance(error, Duplicates):
                    self._duplicates_at = time.monotonic()
                await asyncio.sleep(backoff.next())
                continue
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), max(0.0, self._next() - time.monotonic()) if self._planned else None)

    def _next(self) -> float:
        """Return when there is something to do, even if nothing changes."""
        at = self._batch_at if self._in_round else self._heartbeat_at
        return min(at, self._duplicates_at) if self._duplicates_at else at

    def _reset(self) -> None:
        self.known = self._planned = False
        self._registered, self._available, self._duplicates = {}, set(), {}
        self._due, self._in_round, self._urgent, self._heartbeat_at, self._duplicates_at = [], False, True, 0.0, 0.0

    async def _reconcile(self) -> None:
        started = time.monotonic()
        heartbeat = not self._in_round and started >= self._heartbeat_at
        if heartbeat or self._group is None:
            group = await self._api.router_group()
            if self._group and group.guid != self._group.guid:
                # A new group of that name has none of this cluster's routes.
                self._reset()
            self._group = group
        wanted = self._wanted
        look = self._duplicates_at and started >= self._duplicates_at
        if not self.known or look or heartbeat and self.taken or any(port not in self._available for port, _node_port in wanted):
            await self._read_registered(wanted)
        if self._group.ports != self.ports or not self.known:
            self.ports, self.known = self._group.ports, True
            self._changed()
        if not self._planned:
            return  # without a plan, it is unknown which routes to delete
        wanted = {key: ips for key, ips in wanted.items() if key[0] in self._available}

        # One batch at a time, so that many new routes do not delay the renewal of the others until they expire.
        gone, more_gone = first_batch(self._allowed(without(self._registered, wanted)))
        if gone:
            await self._api.delete(self._group, mappings(gone))
            self._registered = without(self._registered, gone)
            log.info("deleted %d TCP backends of ports %s", len(mappings(gone)), shown(gone))
        kept = without(wanted, without(wanted, self._registered))
        new, more_new = first_batch(self._allowed(without(wanted, self._registered)))
        if new:
            # Noted before the request, because the routes may exist even if the answer is lost.
            self._registered = union(self._registered, new)
            await self._api.register(self._group, mappings(new))
            log.info("registered %d TCP backends of ports %s", len(mappings(new)), shown(new))
        if more_gone or more_new:
            self._wake.set()
        if heartbeat:
            self._due = mappings(self._allowed(kept))
            self._in_round, self._batches, self._spent, self._round_at = True, max(1, -(-len(self._due) // BATCH)), 0.0, started
            self._batch_at = started
        await self._renew(wanted)

    async def _renew(self, wanted: Table) -> None:
        """Renew the next batch of this round, or all that is left if routes may expire soon."""
        while self._due and (self._urgent or time.monotonic() >= self._batch_at):
            batch, rest = self._due[:BATCH], self._due[BATCH:]
            # They may have been given up since the round began.
            batch = [mapping for mapping in batch if mapping.ip in wanted.get((mapping.port, mapping.backend_port), ()) and mapping not in self._duplicates]
            started = time.monotonic()
            await self._api.register(self._group, batch)
            took = time.monotonic() - started
            self._due, self._spent = rest, self._spent + took
            self._batch_at = started + took + pause(took, self._batches, self._ttl)
        if self._in_round and not self._due:
            self._finish_round()

    def _finish_round(self) -> None:
        self._in_round = self._urgent = False
        # The pause after the last batch belongs to the round.
        self._heartbeat_at = max(self._round_at + EARLIEST * self._ttl, min(self._batch_at, self._round_at + LATEST * self._ttl))
        HEARTBEAT.labels("tcp").set(self._spent)
        share = self._spent / max(self._heartbeat_at - self._round_at, 0.001)
        SHARE_OF_TIME.set(share)
        text = f"renewals take {self._spent:.0f} of {LATEST * self._ttl:.0f} s, expected {SHARE:.0%} at most: raise the ttl, or lower max_backends"
        self._status.warn("TCP routes", text if share > 1.1 * SHARE and self._spent > 1 else "")

    def _allowed(self, entries: Table) -> Table:
        """Return a table without the mappings that the API refuses at present, because they have several rows."""
        return without(entries, tabled(self._duplicates)) if self._duplicates else entries

    async def _read_registered(self, wanted: Table) -> None:
        """List the registered routes, to find this cluster's own and the ports of others."""
        listed = await self._api.mappings(self._group)
        ours, taken = read(listed, self._api.owner)
        self._registered = union(self._registered, ours)
        self._note_duplicates(duplicates(listed))
        taken -= {port for port, _node_port in self._registered}
        self._available = {port for port, _node_port in {**wanted, **self._registered}} - taken
        if taken != self.taken:
            self.taken = taken
            self._changed()

    def _note_duplicates(self, found: t.Collection[Mapping]) -> None:
        """Leave mappings with several rows alone until these have expired and are pruned. Then they are registered again."""
        now = time.monotonic()
        for mapping in found:
            if mapping not in self._duplicates:
                log.warning("the routing API has several rows for the route from %s: it is registered again when they have expired", mapping)
            self._duplicates[mapping] = now + PRUNED_SECONDS
        over = [mapping for mapping, until in self._duplicates.items() if until < now]
        for mapping in over:
            del self._duplicates[mapping]
            key = (mapping.port, mapping.backend_port)
            self._registered = without(self._registered, {key: frozenset({mapping.ip})})
        self._duplicates_at = now + DUPLICATES_SECONDS if self._duplicates else 0.0

    async def withdraw(self) -> None:
        """Delete all routes of this cluster, including those of an earlier instance."""
        if not self._api.owner:
            raise RoutingError("cannot find this cluster's TCP routes, because its identity is not known yet")
        group = await self._api.router_group()
        listed = await self._api.mappings(group)
        ours, _taken = read(listed, self._api.owner)
        self._note_duplicates(duplicates(listed))
        await self._api.delete(group, mappings(self._allowed(union(ours, self._registered))))
        self._registered = {}


def first_batch(entries: Table) -> tuple[Table, bool]:
    """Return the first mappings of a table, as many as one request has, and whether there are more."""
    listed = mappings(entries)
    return tabled(listed[:BATCH]), len(listed) > BATCH


def shown(entries: Table) -> str:
    ports = sorted({port for port, _node_port in entries})
    return ", ".join(map(str, ports[:10])) + (f" and {len(ports) - 10} more" if len(ports) > 10 else "")

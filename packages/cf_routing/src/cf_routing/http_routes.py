# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP routes: compares the wanted with the registered ones, and publishes the difference to the gorouters over NATS."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import typing as t

from .backoff import Backoff
from .errors import FAULTS, RoutingError, reason
from .messages import Key, Table, registrations, table, unregistrations
from .nats_bus import Bus
from .record import RouteRecord
from .routes import HttpRoute
from .status import HEARTBEAT, MESSAGES, Status, log
from .tables import union, without

# The registration interval until a gorouter requests another one, and the bounds of such a request.
INTERVAL_SECONDS = 20.0
MIN_SECONDS, MAX_SECONDS = 1.0, 60.0
# Flush after this many messages.
BATCH = 500
# Unregistrations are repeated for this long, for gorouters that lost their connection to NATS and learn of them in no other way.
REMEMBER_SECONDS, MAX_UNREGISTRATIONS = 600, 5000


def interval(answers: t.Iterable[dict[str, t.Any]]) -> float:
    """Return the seconds between registrations: the shortest that a gorouter requests, and a third of the shortest time to prune."""
    requested = []
    for answer in answers:
        minimum, prune = answer.get("minimumRegisterIntervalInSeconds"), answer.get("pruneThresholdInSeconds")
        requested += [value for value in (minimum, prune and prune / 3) if isinstance(value, (int, float)) and value > 0]
    return min(max(min(requested, default=INTERVAL_SECONDS), MIN_SECONDS), MAX_SECONDS)


class Unregistered:
    """The routes that were unregistered last, with the time."""

    def __init__(self) -> None:
        self._entries: dict[Key, tuple[float, frozenset[str]]] = {}

    def add(self, now: float, gone: Table) -> None:
        for key, ips in gone.items():
            _when, earlier = self._entries.pop(key, (now, frozenset()))
            self._entries[key] = (now, earlier | ips)
        while len(self._entries) > MAX_UNREGISTRATIONS:
            del self._entries[next(iter(self._entries))]

    def since(self, begin: float) -> Table:
        return {key: ips for key, (when, ips) in self._entries.items() if when > begin}


class HttpRoutes:
    """Registers the wanted routes periodically, and unregisters those that are no longer wanted."""

    def __init__(
        self, config: dict[str, t.Any], cluster: str, status: Status, record: RouteRecord, changed: t.Callable[[], None]
    ) -> None:
        self._bus = Bus(config)
        self._cluster, self._status, self._record, self._changed = cluster, status, record, changed
        # Input of the plan.
        self.max_message = 0
        self._wanted: tuple[HttpRoute, ...] = ()
        self._registered: Table = {}
        self._unregistered = Unregistered()
        # The last greeting of each gorouter, by its ID.
        self._answers: dict[str, dict[str, t.Any]] = {}
        self._wake = asyncio.Event()
        self._heartbeat_at = 0.0
        self._planned = self._resend = False

    def want(self, routes: t.Iterable[HttpRoute]) -> None:
        self._wanted, self._planned = tuple(routes), True
        self._wake.set()

    async def recall(self) -> None:
        """Read the routes of the last active instance."""
        self._registered, self._heartbeat_at, self._planned = await self._record.read(), 0.0, False

    @property
    def registered(self) -> t.Iterator[tuple[str, int]]:
        """The URIs and node ports that may be registered."""
        return ((uri, node_port) for uri, node_port, _tls_name, _segment in self._registered)

    async def run(self) -> None:
        """Keep the routes registered until cancelled."""
        backoff = Backoff()
        try:
            while True:
                self._wake.clear()
                try:
                    if not self._bus.connected:
                        await self._connect()
                    await self._reconcile()
                    self._status.succeeded("nats")
                    backoff.reset()
                except FAULTS as error:
                    self._status.failed("nats", error)
                    self._heartbeat_at = 0.0
                    await self._bus.close()
                    await asyncio.sleep(backoff.next())
                    continue
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), max(0.0, self._heartbeat_at - time.monotonic()) if self._planned else None)
        finally:
            await self._bus.close()

    async def _connect(self) -> None:
        self._answers = {}
        await self._bus.connect(closed=self._wake.set)
        await self._bus.subscribe("router.start", self._on_start)
        await self._bus.ask("router.greet", b"{}", self._on_greeting)
        self._resend_all()
        if self._bus.max_message != self.max_message:
            self.max_message = self._bus.max_message
            self._changed()
        log.info("connected to NATS at %s", self._bus.server)

    def _on_start(self, message: bytes) -> None:
        """Handle a gorouter's start or reconnection: its table is empty or outdated."""
        self._on_greeting(message)
        self._resend_all()

    def _resend_all(self) -> None:
        self._resend = True
        self._wake.set()

    def _on_greeting(self, message: bytes) -> None:
        try:
            answer = json.loads(message)
            self._answers[str(answer.get("id"))] = answer
        except (ValueError, AttributeError):
            log.warning("cannot read a gorouter's greeting: expected a JSON object")
            return
        self._heartbeat_at = min(self._heartbeat_at, time.monotonic() + interval(self._answers.values()))
        self._wake.set()

    async def _reconcile(self) -> None:
        if not self._planned:
            return  # without a plan, it is unknown which routes to unregister
        started = time.monotonic()
        resend, self._resend = self._resend, False
        heartbeat = resend or started >= self._heartbeat_at
        wanted = self._wanted
        now = table(wanted)
        if not heartbeat and now == self._registered:
            return
        await self._write_record(now)
        new, gone = without(now, self._registered), without(self._registered, now)
        self._registered = union(self._registered, now)
        if resend:
            await self._publish("router.unregister", unregistrations(without(self._unregistered.since(started - REMEMBER_SECONDS), now)))
        if gone:
            await self._publish("router.unregister", unregistrations(gone))
            self._registered = without(self._registered, gone)
            self._unregistered.add(started, gone)
            log.info("unregistered %d URIs: %s", len(gone), shown(gone))
        if heartbeat:
            self._heartbeat_at = started + interval(self._answers.values())
            await self._publish("router.register", registrations(wanted, self._cluster))
            HEARTBEAT.labels("http").set(time.monotonic() - started)
        elif new:
            new_uris = {key[0] for key in new}
            await self._publish("router.register", registrations((route for route in wanted if new_uris & set(route.uris)), self._cluster))
        if new:
            log.info("registered %d URIs: %s", len(new), shown(new))
        if gone:
            await self._write_record(now)

    async def _write_record(self, now: Table) -> None:
        """Record the routes that may be registered, for the next active instance. A failure does not prevent the registration."""
        try:
            await self._record.write(union(self._registered, now))
            self._status.succeeded("record")
        except FAULTS as error:
            self._status.failed("record", error)

    async def _publish(self, subject: str, messages: t.Iterable[bytes]) -> None:
        count = 0
        for message in messages:
            # NATS would close the connection. The plan reports it on the Service.
            if len(message) > self._bus.max_message:
                continue
            await self._bus.publish(subject, message)
            count += 1
            if count % BATCH == 0:
                await self._bus.flush()
        await self._bus.flush()
        MESSAGES.labels(subject).inc(count)

    async def withdraw(self) -> None:
        """Unregister all routes of this cluster."""
        try:
            await self._bus.connect(closed=self._wake.set)
            left = union(await self._record.read(), self._registered)
            await self._publish("router.unregister", unregistrations(left))
            self._registered = {}
            await self._record.write({})
        except FAULTS as error:
            raise RoutingError(f"nats: {reason(error)}") from error
        finally:
            await self._bus.close()


def shown(entries: Table) -> str:
    uris = sorted({key[0] for key in entries})
    return ", ".join(uris[:5]) + (f" and {len(uris) - 5} more" if len(uris) > 5 else "")

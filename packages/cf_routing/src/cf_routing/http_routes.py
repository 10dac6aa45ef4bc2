# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP routes: wanted against registered, and how the gorouters hear of the difference over NATS."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import functools
import json
import time
import typing as t

from .backoff import Backoff
from .errors import FAULTS, RoutingError, reason
from .nats_bus import Bus
from .record import Record
from .status import HEARTBEAT, MESSAGES, Status, log
from .tables import union, without
from .wanted import HttpRoute

# What gorouters ask for unless they say otherwise, and the bounds of what is believed.
INTERVAL_SECONDS = 20.0
LEAST_SECONDS, MOST_SECONDS = 1.0, 60.0
# Messages after which the server is asked whether it has them all.
BATCH = 500
# How long we remember what was unregistered, for gorouters that were away from NATS: nothing else tells them.
AWAY_SECONDS, MOST_GONE = 600, 1000

# One URI at one node port, with the name of its TLS certificate if it speaks TLS, and the hosts behind.
Key = tuple[str, int, str]
Table = dict[Key, frozenset[str]]


def table(routes: t.Iterable[HttpRoute]) -> Table:
    return {(uri, route.node_port, route.tls_name): route.addresses for route in routes if route.addresses for uri in route.uris}


def registrations(routes: t.Iterable[HttpRoute], cluster: str) -> t.Iterator[bytes]:
    """One message for each backend, with all its URIs."""
    for route in routes:
        port = {"tls_port": route.node_port, "server_cert_domain_san": route.tls_name} if route.tls_name else {"port": route.node_port}
        tags = {"component": "cf-route-sync", "cluster": cluster, "service": route.service}
        # Everything but the host is the same for a hundred hosts.
        rest = json.dumps({"uris": route.uris, **port, "tags": tags}, separators=(",", ":"))[1:]
        for ip in sorted(route.addresses):
            # The gorouter tells backends apart by this identity: sessions stick to it.
            yield f'{{"host":"{ip}","private_instance_id":"{cluster}-{ip}-{route.node_port}",{rest}'.encode()


def unregistrations(gone: Table) -> t.Iterator[bytes]:
    """One message for each backend, with the URIs that it has no more."""
    backends = collections.defaultdict(list)
    for (uri, node_port, tls_name), ips in gone.items():
        for ip in ips:
            backends[ip, node_port, bool(tls_name)].append(uri)
    for (ip, node_port, tls), uris in sorted(backends.items()):
        yield json.dumps({"host": ip, "tls_port" if tls else "port": node_port, "uris": sorted(uris)}, separators=(",", ":")).encode()


def interval(answers: t.Iterable[dict[str, t.Any]]) -> float:
    """How often to register: as the gorouters ask, and often enough for the one that forgets first."""
    wishes = []
    for answer in answers:
        least, forgets = answer.get("minimumRegisterIntervalInSeconds"), answer.get("pruneThresholdInSeconds")
        wishes += [value for value in (least, forgets and forgets / 3) if isinstance(value, (int, float)) and value > 0]
    return min(max(min(wishes, default=INTERVAL_SECONDS), LEAST_SECONDS), MOST_SECONDS)


class HttpRoutes:
    """Registers what is wanted, again and again, and unregisters what is not wanted any more."""

    def __init__(self, config: dict[str, t.Any], cluster: str, status: Status, record: Record) -> None:
        self._bus = Bus(config)
        self._cluster, self._status, self._record = cluster, status, record
        self._wanted: tuple[HttpRoute, ...] = ()
        self._registered: Table = {}
        # What was unregistered, and when.
        self._gone: list[tuple[float, Table]] = []
        # What was said last by which gorouter.
        self._answers: dict[str, dict[str, t.Any]] = {}
        self._wake = asyncio.Event()
        self._beat_at = 0.0
        self._planned = self._recalled = self._again = False

    def want(self, routes: t.Iterable[HttpRoute]) -> None:
        self._wanted, self._planned = tuple(routes), True
        self._wake.set()

    async def run(self) -> None:
        """Keep the routes, until it is cancelled."""
        self._registered, self._beat_at = {}, 0.0
        self._planned = self._recalled = False
        backoff = Backoff()
        try:
            while True:
                self._wake.clear()
                try:
                    if not self._bus.connected:
                        await self._connect()
                    await self._keep()
                    self._status.good("nats")
                    backoff.reset()
                except FAULTS as error:
                    self._status.bad("nats", error)
                    self._beat_at = 0.0
                    await self._bus.close()
                    await asyncio.sleep(backoff.next())
                    continue
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), max(0.0, self._beat_at - time.monotonic()) if self._planned else None)
        finally:
            await self._bus.close()

    async def _connect(self) -> None:
        self._answers = {}
        await self._bus.connect(closed=self._wake.set)
        await self._bus.subscribe("router.start", self._start)
        await self._bus.ask("router.greet", b"{}", self._hear)
        self._say_all()
        log.info("connected to NATS at %s", self._bus.server)

    def _start(self, message: bytes) -> None:
        """A gorouter started, with an empty table; or it was away from NATS, with a table that is old."""
        self._hear(message)
        self._say_all()

    def _say_all(self) -> None:
        self._again = True
        self._wake.set()

    def _hear(self, message: bytes) -> None:
        try:
            answer = json.loads(message)
            self._answers[str(answer.get("id"))] = answer
        except (ValueError, AttributeError):
            log.warning("a gorouter says what is no JSON object")
            return
        self._beat_at = min(self._beat_at, time.monotonic() + interval(self._answers.values()))
        self._wake.set()

    async def _keep(self) -> None:
        if not self._planned:
            return  # what should go is not known yet
        begin = time.monotonic()
        again, self._again = self._again, False
        beat = again or begin >= self._beat_at
        wanted = self._wanted
        now = table(wanted)
        if not beat and now == self._registered:
            return
        await self._note(now)
        new, gone = without(now, self._registered), without(self._registered, now)
        self._registered = union(self._registered, now)
        if again:
            self._gone = [(when, left) for when, left in self._gone if when > begin - AWAY_SECONDS]
            unheard = functools.reduce(union, (left for _when, left in self._gone), {})
            await self._publish("router.unregister", unregistrations(without(unheard, now)))
        if gone:
            await self._publish("router.unregister", unregistrations(gone))
            self._registered = without(self._registered, gone)
            self._gone = [*self._gone[-MOST_GONE:], (begin, gone)]
            log.info("unregistered %d URIs: %s", len(gone), shown(gone))
        if beat:
            self._beat_at = begin + interval(self._answers.values())
            await self._publish("router.register", registrations(wanted, self._cluster))
            HEARTBEAT.labels("http").set(time.monotonic() - begin)
        elif new:
            fresh = {key[0] for key in new}
            await self._publish("router.register", registrations((route for route in wanted if fresh & set(route.uris)), self._cluster))
        if new:
            log.info("registered %d URIs: %s", len(new), shown(new))
        if gone:
            await self._note(now)

    async def _note(self, now: Table) -> None:
        """Write for whoever acts next what may be there, after reading what was left to us. A failure is no reason not to register."""
        try:
            if not self._recalled:
                self._registered = union(await self._record.read(), self._registered)
                self._recalled = True
            await self._record.write(union(self._registered, now))
            self._status.good("record")
        except FAULTS as error:
            self._status.bad("record", error)

    async def _publish(self, subject: str, messages: t.Iterable[bytes]) -> None:
        count = 0
        for count, message in enumerate(messages, 1):
            await self._bus.publish(subject, message)
            if count % BATCH == 0:
                await self._bus.flush()
        await self._bus.flush()
        MESSAGES.labels(subject).inc(count)

    async def withdraw(self) -> None:
        """Unregister everything of ours."""
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

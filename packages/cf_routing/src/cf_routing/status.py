# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The status of a program: its log, its metrics, and /healthz."""

from __future__ import annotations

import contextlib
import json
import logging
import time

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, generate_latest

from .errors import reason

log = logging.getLogger("cf_routing")

UP = Gauge("cf_routing_up", "Whether the last attempt with this peer succeeded", ["peer"])
SUCCESS = Gauge("cf_routing_last_success_timestamp_seconds", "When an attempt with this peer last succeeded", ["peer"])
FAILURES = Counter("cf_routing_failures_total", "Attempts with this peer that failed", ["peer"])
REQUESTS = Counter("cf_routing_requests_total", "HTTP requests, by peer, method and status", ["peer", "method", "status"])
MESSAGES = Counter("cf_routing_nats_messages_total", "NATS messages sent", ["subject"])
LEADER = Gauge("cf_routing_leader", "Whether this instance is active")
ROUTES = Gauge("cf_routing_routes", "Routes to register", ["kind"])
BACKENDS = Gauge("cf_routing_backends", "Backends of all routes to register", ["kind"])
COMPLAINTS = Gauge("cf_routing_refused_routes", "Requested routes that cannot be registered, by reason", ["reason"])
FOREIGN = Gauge("cf_routing_foreign_backends", "Backends of others on the TCP port of the API")
HEARTBEAT = Gauge("cf_routing_heartbeat_seconds", "Duration of the last complete registration", ["kind"])

SHARE_OF_TIME = Gauge("cf_routing_heartbeat_share", "Share of one routing API's time that the renewal of TCP routes takes")


class Status:
    """The peers that fail, and why. A change is logged; a repeated failure is only counted."""

    def __init__(self) -> None:
        self.troubles: dict[str, str] = {}
        # Conditions that an operator must know, and that no restart cures.
        self.warnings: dict[str, str] = {}
        self.leader: bool | None = None

    def succeeded(self, peer: str) -> None:
        if self.troubles.pop(peer, None):
            log.info("%s: works again", peer)
        UP.labels(peer).set(1)
        SUCCESS.labels(peer).set(time.time())

    def failed(self, peer: str, error: BaseException | str) -> None:
        text = error if isinstance(error, str) else reason(error)
        FAILURES.labels(peer).inc()
        UP.labels(peer).set(0)
        if self.troubles.get(peer) != text:
            self.troubles[peer] = text
            log.warning("%s: %s", peer, text)

    def warn(self, subject: str, text: str) -> None:
        """Report a condition, or that it is over if the text is empty."""
        if text and self.warnings.get(subject) != text:
            log.warning("%s: %s", subject, text)
        elif not text and subject in self.warnings:
            log.info("%s: over", subject)
        self.warnings = {**self.warnings, subject: text} if text else {key: value for key, value in self.warnings.items() if key != subject}

    def forget(self, peer: str) -> None:
        """Drop the state of a peer that this instance no longer uses."""
        self.troubles.pop(peer, None)
        with contextlib.suppress(KeyError):
            UP.remove(peer)

    def lead(self, leader: bool) -> None:
        self.leader = leader
        LEADER.set(leader)

    def report(self) -> dict[str, object]:
        return {
            "healthy": not self.troubles,
            **({} if self.leader is None else {"leader": self.leader}),
            "troubles": self.troubles,
            **({"warnings": self.warnings} if self.warnings else {}),
        }


async def serve(listen: str, status: Status) -> web.AppRunner:
    """Answer /healthz and /metrics."""

    async def healthz(_request: web.Request) -> web.Response:
        body = json.dumps(status.report()) + "\n"
        return web.Response(status=503 if status.troubles else 200, text=body, content_type="application/json")

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.add_routes([web.get("/healthz", healthz), web.get("/metrics", metrics)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    host, _colon, port = listen.rpartition(":")
    await web.TCPSite(runner, host.strip("[]"), int(port)).start()
    return runner

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events on Services that report why a requested route is not registered."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import datetime
import hashlib
import time
import typing as t

from .backoff import Backoff
from .errors import FAULTS
from .kubernetes import ApiError, Kubernetes
from .routes import Complaint
from .status import Status, log

# The API server keeps events for an hour, so a lasting complaint is posted again before that.
REPEAT_SECONDS = 1800


class Events:
    """Posts every complaint once, and repeats it while it lasts."""

    def __init__(self, api: Kubernetes, identity: str, status: Status) -> None:
        self._api, self._identity, self._status = api, identity, status
        self._complaints: dict[str, Complaint] = {}
        self._posted_at: dict[str, float] = {}
        self._wake = asyncio.Event()

    def complain(self, complaints: t.Iterable[Complaint]) -> None:
        self._complaints = {name(complaint): complaint for complaint in by_turns(complaints)}
        self._posted_at = {key: when for key, when in self._posted_at.items() if key in self._complaints}
        self._wake.set()

    async def run(self) -> None:
        backoff = Backoff()
        while True:
            self._wake.clear()
            try:
                await self._post_due()
                self._status.succeeded("events")
                backoff.reset()
            except FAULTS as error:
                self._status.failed("events", error)
                await asyncio.sleep(backoff.next())
                continue
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), REPEAT_SECONDS if self._posted_at else None)

    async def _post_due(self) -> None:
        """Post the complaints that are new or due again. If one namespace refuses its Event, those of the others are still posted."""
        refusal: ApiError | None = None
        for key, complaint in list(self._complaints.items()):
            if key in self._posted_at and time.monotonic() < self._posted_at[key] + REPEAT_SECONDS:
                continue
            try:
                await self._post(key, complaint)
                self._posted_at[key] = time.monotonic()
            except ApiError as error:
                refusal = error
        if refusal:
            raise refusal

    async def _post(self, key: str, complaint: Complaint) -> None:
        service = complaint.service
        path = f"/api/v1/namespaces/{service.namespace}/events"
        log.info("Service %s: %s: %s", service, complaint.reason, complaint.message)
        try:
            await self._api.request("POST", path, event(key, complaint, self._identity))
        except ApiError as error:
            # 409: this or an earlier active instance has posted the Event. In a namespace that is being deleted, it does not matter.
            if error.status == 409:
                await self._repeat(f"{path}/{key}")
            elif error.status != 404 and "being terminated" not in str(error):
                raise

    async def _repeat(self, path: str) -> None:
        patch = {"lastTimestamp": timestamp(), "reportingInstance": self._identity}
        with contextlib.suppress(ApiError):  # it has just expired; the next round posts it
            await self._api.request("PATCH", path, patch, "application/merge-patch+json")


def by_turns(complaints: t.Iterable[Complaint]) -> list[Complaint]:
    """Order complaints so that the first one of every Service comes before the second ones: a Service with many must not delay others."""
    counts: collections.Counter[str] = collections.Counter()
    turns = []
    for complaint in complaints:
        turns.append((counts[complaint.service.uid], complaint))
        counts[complaint.service.uid] += 1
    return [complaint for _turn, complaint in sorted(turns, key=lambda turn: turn[0])]


def name(complaint: Complaint) -> str:
    """Return the name of the Event, which is the same for the same complaint on every instance."""
    service, reason, message = complaint
    digest = hashlib.sha256(f"{service.uid}\x00{reason}\x00{message}".encode()).hexdigest()[:16]
    return f"{service.name}.{digest}"


def timestamp() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def event(key: str, complaint: Complaint, identity: str) -> dict[str, t.Any]:
    service = complaint.service
    now = timestamp()
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": key, "namespace": service.namespace},
        "involvedObject": {"apiVersion": "v1", "kind": "Service", "namespace": service.namespace, "name": service.name, "uid": service.uid},
        "type": "Warning",
        "reason": complaint.reason,
        "message": complaint.message[:1000],
        "source": {"component": "cf-route-sync"},
        "reportingComponent": "cfcr.io/cf-route-sync",
        "reportingInstance": identity,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leader election with a Kubernetes Lease: only its holder is active."""

from __future__ import annotations

import asyncio
import datetime
import time
import typing as t

from .errors import FAULTS
from .kubernetes import ApiError, Kubernetes
from .status import Status, log
from .tasks import end

# As in client-go: the others wait for the whole duration, and the holder gives up before it is over.
DURATION_SECONDS = 15
GIVE_UP_SECONDS = 10
RETRY_SECONDS = 2
# A connection to a host that has just died costs one attempt, not the lease.
ATTEMPT_SECONDS = 3


class Lease:
    """A lease that several instances compete for."""

    def __init__(self, api: Kubernetes, config: dict[str, str], status: Status) -> None:
        self._api, self._status, self._name, self._identity = api, status, config["name"], config["identity"]
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{config['namespace']}/leases"
        # The last state of the lease, and the local time of its last change, so that the clocks of others do not matter.
        self._seen: tuple[t.Any, ...] = ()
        self._seen_at = 0.0
        self._renewed_at = 0.0

    async def lead(self, work: t.Callable[[], t.Coroutine[t.Any, t.Any, None]]) -> None:
        """Run the work while this instance holds the lease, and cancel it when the lease is lost. Repeat until cancelled."""
        while True:
            await self._acquire()
            log.info("lease %s: %s is active", self._name, self._identity)
            self._status.lead(True)
            task = asyncio.create_task(work())
            try:
                await self._hold(task)
            finally:
                self._status.lead(False)
                await end(task)
                log.info("lease %s: no longer active", self._name)

    async def _acquire(self) -> None:
        while not await self.attempt():
            await asyncio.sleep(RETRY_SECONDS)

    async def _hold(self, task: asyncio.Task) -> None:
        while True:
            done, _pending = await asyncio.wait([task], timeout=RETRY_SECONDS)
            if done:
                task.result()  # the work runs until cancelled, so this raises its exception
            left = self._renewed_at + GIVE_UP_SECONDS - time.monotonic()
            try:
                ours = left > 0 and await asyncio.wait_for(self._attempt(), min(left, ATTEMPT_SECONDS))
            except FAULTS as error:
                self._status.failed("lease", error)
                if time.monotonic() >= self._renewed_at + GIVE_UP_SECONDS:
                    log.warning("lease %s: not renewed for %d s, another instance may take over", self._name, GIVE_UP_SECONDS)
                    return
                continue
            if not ours:
                return

    async def attempt(self) -> bool:
        """Try to acquire or renew the lease, and return whether this instance holds it."""
        try:
            return await asyncio.wait_for(self._attempt(), ATTEMPT_SECONDS)
        except FAULTS as error:
            self._status.failed("lease", error)
            return False

    async def _attempt(self) -> bool:
        asked_at = time.monotonic()
        lease = await self._read()
        spec = _spec(lease)
        holder = spec.get("holderIdentity") or ""
        if holder not in ("", self._identity):
            seen = (holder, spec.get("renewTime"), spec.get("leaseTransitions"))
            if seen != self._seen:
                self._seen, self._seen_at = seen, asked_at
            if asked_at < self._seen_at + spec.get("leaseDurationSeconds", DURATION_SECONDS):
                self._status.succeeded("lease")
                return False
        try:
            await self._write(lease, self._identity, DURATION_SECONDS)
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            self._status.succeeded("lease")
            return False  # another instance was faster
        self._renewed_at = asked_at
        self._status.succeeded("lease")
        return True

    async def release(self) -> bool:
        """Release the lease so that another instance need not wait until it expires. Return whether this instance held it."""
        lease = await self._read()
        if _spec(lease).get("holderIdentity") != self._identity:
            return False
        await self._write(lease, "", 1)
        return True

    async def taken(self) -> bool:
        """Return whether another instance holds the lease."""
        return _spec(await self._read()).get("holderIdentity") not in (None, "", self._identity)

    async def _read(self) -> dict[str, t.Any] | None:
        return await self._api.find(f"{self._path}/{self._name}")

    async def _write(self, lease: dict[str, t.Any] | None, holder: str, duration: int) -> None:
        """Update the lease that was read; the API server refuses the update if the lease has changed since."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        old = _spec(lease)
        moved = old.get("holderIdentity") != holder
        spec = {
            **old,
            "holderIdentity": holder,
            "leaseDurationSeconds": duration,
            "renewTime": now,
            "acquireTime": now if moved else old.get("acquireTime", now),
            "leaseTransitions": old.get("leaseTransitions", 0) + (1 if moved and holder else 0),
        }
        if lease is None:
            made = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self._name}, "spec": spec}
            await self._api.request("POST", self._path, made)
        else:
            await self._api.request("PUT", f"{self._path}/{self._name}", {**lease, "spec": spec})


def _spec(lease: dict[str, t.Any] | None) -> dict[str, t.Any]:
    """Return the spec of a lease, which may be missing if nobody holds it."""
    return (lease or {}).get("spec") or {}

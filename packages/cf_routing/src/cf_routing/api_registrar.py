# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""cf-api-registrar: registers the TCP route of this master's API server."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
import typing as t

import aiohttp

from .backoff import Backoff
from .config import REGISTRAR
from .errors import FAULTS, RoutingError, reason
from .files import Tls
from .kubernetes import Kubernetes
from .masters import RENEW_SECONDS, Masters, answers, backend
from .program import STOP_SECONDS, notify, start, until
from .routing_api import Mapping, RouterGroup, RoutingApi
from .status import FOREIGN, HEARTBEAT, REQUESTS, Status, log
from .tasks import end
from .uaa import Uaa

CHECK_SECONDS = 2
READY_SECONDS = 0.2
TIMEOUT = aiohttp.ClientTimeout(total=2)
# A single failure does not delete the route, two in a row do.
TOLERATED_FAILURES = 1
# The list of all TCP routes may be long.
STRANGERS_SECONDS = 300
# A renewal of the entry that takes longer has failed.
RENEWAL_SECONDS = 2
# For so long a route is registered again at every check, after another master has withdrawn it: its deletion may still arrive.
RETURN_SECONDS = 60


class Registrar:
    """Registers the route while the API server is ready, and deletes it when it is not."""

    def __init__(self, session: aiohttp.ClientSession, config: dict[str, t.Any], status: Status) -> None:
        self._session, self._config, self._status = session, config, status
        self._api = RoutingApi(session, Uaa(session, config["uaa"], status), config["routing_api"], owner="cfcr-api")
        self._mapping = Mapping(config["routing_api"]["port"], config["backend"]["ip"], config["backend"]["port"])
        self._tls = Tls(config["ready"]["ca_file"])
        self._ready: bool | None = None
        self._strangers_at = 0.0
        self._returned_until = 0.0
        own = (config["backend"]["ip"], config["backend"]["port"])
        peers = config["masters"]
        # Set when this master has tried to write its entry: a route without one is not withdrawn if the master dies.
        self._entered = asyncio.Event()
        self._masters = Masters(Kubernetes(session, peers["kubeconfig"]), peers["lease"], own) if peers else None
        self._wake = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        tasks = [self._poll_readiness(), self._reconcile(), *([self._watch_masters()] if self._masters else [])]
        await until(stop, *map(asyncio.create_task, tasks))
        notify("STOPPING=1")
        try:
            await asyncio.wait_for(self._delete(), STOP_SECONDS)
        except FAULTS as error:
            # The entry stays, so that the other masters withdraw the route.
            log.warning("cannot delete the route, it will expire: %s", reason(error))
            return
        if self._masters:
            with contextlib.suppress(*FAULTS):
                await asyncio.wait_for(self._masters.forget(), RENEWAL_SECONDS)

    async def _poll_readiness(self) -> None:
        """Poll the readiness of the API server."""
        failures = 0
        while True:
            try:
                await self._check_ready()
                failures = 0
                self._status.succeeded("api_server")
            except FAULTS as error:
                failures += 1
                self._status.failed("api_server", error)
            # Failures are tolerated only while the route is registered.
            ready = failures == 0 or (failures <= TOLERATED_FAILURES and bool(self._ready))
            if ready != self._ready:
                self._ready = ready
                log.info("the API server is %s", "ready" if ready else "not ready")
                self._wake.set()
            await asyncio.sleep(CHECK_SECONDS)

    async def _check_ready(self) -> None:
        url = self._config["ready"]["url"]
        async with self._session.get(url, ssl=self._tls.context(), timeout=TIMEOUT, allow_redirects=False) as answer:
            REQUESTS.labels("api_server", "GET", answer.status).inc()
            if answer.status != 200:
                raise RoutingError(f"{url}: found HTTP {answer.status}, expected 200")

    async def _reconcile(self) -> None:
        backoff = Backoff()
        pause: float | None = None
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)
            self._wake.clear()
            try:
                if self._ready:
                    await self._register()
                    returned = time.monotonic() < self._returned_until
                    pause = CHECK_SECONDS if returned else self._config["routing_api"]["ttl"] / 3
                elif self._ready is False:
                    await self._delete()
                    pause = None
                backoff.reset()
            except FAULTS as error:
                self._status.failed("routing_api", error)
                pause = backoff.next()

    async def _register(self) -> None:
        if self._masters:
            await self._entered.wait()
        started = time.monotonic()
        group = await self._api.router_group()
        if not group.ports.contains(self._mapping.port):
            name = self._config["routing_api"]["router_group"]
            raise RoutingError(f"port {self._mapping.port} is not among the reservable ports of router group {name}: {group.ports}")
        await self._api.register(group, [self._mapping])
        self._status.succeeded("routing_api")
        HEARTBEAT.labels("tcp").set(time.monotonic() - started)
        if started >= self._strangers_at:
            self._strangers_at = started + STRANGERS_SECONDS
            await self._look_for_strangers(group)

    async def _look_for_strangers(self, group: RouterGroup) -> None:
        """Warn if the port of the API also leads to backends that no registrar has registered."""
        found = sorted({(entry.mapping.ip, entry.mapping.backend_port, entry.owner) for entry in await self._api.strangers(group, self._mapping.port)})
        FOREIGN.set(len(found))
        named = ", ".join(f"{ip}:{port}{f' of {owner}' if owner else ''}" for ip, port, owner in found[:5])
        text = f"found {len(found)} backends that are no masters ({named}), expected none: clients may reach them instead of the API"
        self._status.warn(f"TCP port {self._mapping.port}", text if found else "")

    async def _watch_masters(self) -> None:
        """Renew this master's entry while it is ready, and withdraw the routes of masters that do not renew theirs."""
        withdrawals: dict[str, asyncio.Task] = {}
        try:
            while True:
                started = time.monotonic()
                withdrawals = {name: task for name, task in withdrawals.items() if not task.done()}
                if self._ready:
                    for name, value in (await self._renew()).items():
                        if name not in withdrawals:
                            # A slow routing API must not delay the next renewal.
                            withdrawals[name] = asyncio.create_task(self._withdraw(name, value))
                    self._entered.set()
                    await asyncio.sleep(max(0.0, started + RENEW_SECONDS - time.monotonic()))
                else:
                    await asyncio.sleep(READY_SECONDS)
        finally:
            await end(*withdrawals.values())

    async def _renew(self) -> dict[str, str]:
        """Renew this master's entry, and return the silent entries of others."""
        try:
            silent, lost = await asyncio.wait_for(self._masters.renew(), RENEWAL_SECONDS)
        except FAULTS as error:
            # For example, because site.yml has not granted the permission yet.
            self._status.warn("masters", f"cannot renew this master's entry: {reason(error)}; until then the routes of dead masters only expire")
            return {}
        self._status.warn("masters", "")
        if lost:
            self._returned_until = time.monotonic() + RETURN_SECONDS
            self._wake.set()
        return silent

    async def _withdraw(self, name: str, value: str) -> None:
        """Delete the route of a master that is silent and refuses connections."""
        where = backend(name)
        try:
            if await answers(where) or not await self._masters.claim(name, value):
                return
            await self._api.delete(await self._api.router_group(), {Mapping(self._mapping.port, *where)})
            log.warning("withdrew the route of master %s:%d, which no longer renews its entry and refuses connections", *where)
            await self._masters.forget(name)
        except FAULTS as error:
            self._status.failed("routing_api", error)
            await asyncio.sleep(CHECK_SECONDS)

    async def _delete(self) -> None:
        await self._api.delete(await self._api.router_group(), {self._mapping})
        self._status.succeeded("routing_api")
        log.info("deleted the route of %s:%d", self._mapping.ip, self._mapping.backend_port)


def main() -> int:
    return start("cf-api-registrar", __doc__, REGISTRAR, Registrar)


if __name__ == "__main__":
    sys.exit(main())

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""cf-route-sync: registers the routes of labelled Services."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import sys
import typing as t

import aiohttp

from .backoff import Backoff
from .claims import Settings
from .config import ROUTE_SYNC
from .errors import FAULTS, reason
from .events import Events
from .holders import Holders, inherit
from .http_routes import HttpRoutes
from .kubernetes import SERVICES_PAGE, Kubernetes, Watch
from .lease import Lease
from .objects import HTTP_LABEL, TCP_LABEL, Service, endpoint_slice, node, service
from .program import STOP_SECONDS, notify, start, until
from .record import HolderRecord, Missing, RouteRecord
from .routing_api import RoutingApi
from .rules import rules
from .status import BACKENDS, COMPLAINTS, ROUTES, Status, log
from .tasks import end, run_together
from .tcp_routes import TcpRoutes
from .uaa import Uaa
from .wanted import Wanted, plan

# Wait this long, so that simultaneous changes make one plan.
SETTLE_SECONDS = 0.2
# If no other instance takes over within this time after a stop, all routes are withdrawn.
HANDOVER_SECONDS = 4
# Without a change, plan this often, which writes the record of the holders again if somebody else has changed it.
PLAN_SECONDS = 60


class RouteSync:
    """Watches the cluster, and registers routes while it holds the lease."""

    def __init__(self, session: aiohttp.ClientSession, config: dict[str, t.Any], status: Status) -> None:
        self._config, self._status = config, status
        status.lead(False)
        self._changes = asyncio.Event()
        changed = self._changes.set
        self._api = api = Kubernetes(session, config["kubeconfig"])
        self._rules = rules(config)
        self._services = [
            Watch(api, status, "/api/v1/services", service, changed, label, SERVICES_PAGE) for label in (TCP_LABEL, HTTP_LABEL)
        ]
        self._nodes = Watch(api, status, "/api/v1/nodes", node, changed)
        # Watched only once a Service needs them, because they are many and change all the time.
        self._slices = Watch(api, status, "/apis/discovery.k8s.io/v1/endpointslices", endpoint_slice, changed)
        self._slices_task: asyncio.Task | None = None
        self._lease = Lease(api, config["lease"], status)
        self._events = Events(api, config["lease"]["identity"], status)
        self._record = HolderRecord(api, config["lease"])
        self._tcp_holders = self._http_holders = Holders(lost=True)
        self._record_backoff = Backoff()
        self._routing_api = self._tcp = self._http = None
        if config["routing_api"]:
            uaa = Uaa(session, config["uaa"], status)
            self._routing_api = RoutingApi(session, uaa, config["routing_api"])
            self._tcp = TcpRoutes(self._routing_api, config["routing_api"]["ttl"], status, changed)
        if config["nats"]:
            self._http = HttpRoutes(config["nats"], config["cluster"], status, RouteRecord(api, config["lease"]), changed)

    async def run(self, stop: asyncio.Event) -> None:
        watches = [asyncio.create_task(watch.run()) for watch in (*self._services, self._nodes)]
        leading = asyncio.create_task(self._lease.lead(self._act))
        try:
            await until(stop, leading, *watches)
            notify("STOPPING=1")
            await self._hand_over()
        finally:
            if self._slices_task:
                await end(self._slices_task)

    async def _act(self) -> None:
        """Register routes as the holder of the lease, for the first time or again."""
        sinks = [sink for sink in (self._tcp, self._http) if sink]
        try:
            await self._identify()
            await self._recall()
            # A plan from an earlier term as holder is outdated.
            self._changes.set()
            await run_together(self._plan_on_change(), self._events.run(), *(sink.run() for sink in sinks))
        finally:
            for peer in ("routing_api", "uaa", "nats", "record", "holders", "events", "kubernetes namespaces"):
                self._status.forget(peer)

    async def _identify(self) -> None:
        """Determine the cluster's identity, which marks its TCP routes. The name alone may not be unique."""
        backoff = Backoff()
        while self._routing_api and not self._routing_api.owner:
            try:
                namespace = await self._api.request("GET", "/api/v1/namespaces/kube-system")
                self._routing_api.owner = f"cfcr-{self._config['cluster']}-{namespace['metadata']['uid']}"
                self._status.succeeded("kubernetes namespaces")
            except FAULTS as error:
                self._status.failed("kubernetes namespaces", error)
                await asyncio.sleep(backoff.next())

    async def _recall(self) -> None:
        """Read what the last active instance recorded. Without it, routes could go to other Services."""
        backoff = Backoff()
        while True:
            try:
                self._tcp_holders, self._http_holders = await self._record.read()
                if self._http:
                    await self._http.recall()
                self._status.succeeded("holders")
                return
            except FAULTS as error:
                self._status.failed("holders", error)
                await asyncio.sleep(backoff.next())

    async def _plan_on_change(self) -> None:
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changes.wait(), PLAN_SECONDS)
            await asyncio.sleep(SETTLE_SECONDS)
            self._changes.clear()
            services = {uid: item for watch in self._services for uid, item in watch.items.items()}
            local = any(item.local for item in services.values())
            if local and not self._slices_task:
                self._slices_task = asyncio.create_task(self._slices.run())
            # A plan from incomplete data would withdraw routes.
            if not all(watch.synced for watch in (*self._services, self._nodes)) or (local and not self._slices.synced):
                continue
            holders = self._holders(services.values())
            # The routers' ports may become known while the record is written, but this plan does not know them.
            tcp_known = bool(self._tcp and self._tcp.known)
            wanted = plan(services.values(), self._nodes.items.values(), self._slices.items.values(), self._settings(), *holders)
            if not tcp_known:
                # Nor does it know who has a TCP port.
                wanted = wanted._replace(tcp_holders=self._tcp_holders)
            self._apply(await self._hold(wanted, *holders), tcp_known)

    def _holders(self, services: t.Iterable[Service]) -> tuple[Holders, Holders]:
        """Return the recorded holders of TCP ports and URIs, and those that an earlier version registered without a record."""
        return (
            inherit(self._tcp_holders, self._tcp.registered if self._tcp else (), services),
            inherit(self._http_holders, self._http.registered if self._http else (), services),
        )

    async def _hold(self, wanted: Wanted, tcp: Holders, http: Holders) -> Wanted:
        """Record the new holders. If that fails, return a plan without the routes of Services that did not hold them before."""
        try:
            await self._record.write(wanted.tcp_holders, wanted.http_holders)
            self._status.succeeded("holders")
            self._record_backoff.reset()
        except FAULTS as error:
            self._status.failed("holders", error)
            asyncio.get_running_loop().call_later(self._record_backoff.next(), self._changes.set)
            # The next active instance notices that the record is missing, and gives no route that several Services request to any of them.
            if not isinstance(error, Missing):
                return wanted.recorded(tcp, http)
        self._tcp_holders, self._http_holders = wanted.tcp_holders, wanted.http_holders
        return wanted

    def _settings(self) -> Settings:
        tcp = self._tcp
        return Settings(
            self._rules,
            ports=tcp and tcp.ports,
            taken=tcp.taken if tcp else frozenset(),
            http=bool(self._http),
            cluster=self._config["cluster"],
            max_message=self._http.max_message if self._http else 0,
            max_backends=self._config["routing_api"]["max_backends"] if tcp else 0,
            segment=self._config["nats"]["isolation_segment"] or "" if self._http else "",
            segments=frozenset(self._config["nats"]["isolation_segments"] if self._http else ()),
        )

    def _apply(self, wanted: Wanted, tcp_known: bool) -> None:
        complaints = wanted.complaints
        if self._tcp:
            if tcp_known and self._tcp.known:
                self._tcp.want(wanted.tcp)
            else:
                # The reservable ports are not known yet.
                complaints = tuple(complaint for complaint in complaints if complaint.reason != "PortNotReservable")
        if self._http:
            self._http.want(wanted.http)
        self._events.complain(complaints)
        for kind, routes in (("tcp", wanted.tcp), ("http", wanted.http)):
            ROUTES.labels(kind).set(len(routes))
            BACKENDS.labels(kind).set(sum(len(route.addresses) for route in routes))
        COMPLAINTS.clear()
        for name, count in collections.Counter(complaint.reason for complaint in complaints).items():
            COMPLAINTS.labels(name).set(count)

    async def _hand_over(self) -> None:
        """Release the lease. If no other instance takes it, withdraw the routes."""
        try:
            await asyncio.wait_for(self._release_and_withdraw(), STOP_SECONDS)
        except FAULTS as error:
            log.warning("cannot withdraw all routes, they will expire: %s", reason(error))

    async def _release_and_withdraw(self) -> None:
        if not await self._lease.release():
            return
        for _second in range(HANDOVER_SECONDS * 2):
            await asyncio.sleep(0.5)
            if await self._lease.taken():
                log.info("another instance has taken over")
                return
        # The lease keeps an instance that starts now from registering meanwhile.
        if await self._lease.attempt():
            results = await asyncio.gather(*(sink.withdraw() for sink in (self._tcp, self._http) if sink), return_exceptions=True)
            await self._lease.release()
            for result in results:
                if isinstance(result, BaseException):
                    raise result
            log.info("no other instance took over, withdrew all routes")


def main() -> int:
    return start("cf-route-sync", __doc__, ROUTE_SYNC, RouteSync)


if __name__ == "__main__":
    sys.exit(main())

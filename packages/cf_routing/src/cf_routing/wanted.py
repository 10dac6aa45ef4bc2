# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan: which routes to register, and which requests to refuse. Pure functions on plain values."""

from __future__ import annotations

import collections
import functools
import hashlib
import typing as t

from .claims import Claim, Settings, http_claims, isolation_segment, tcp_claims, tls_name
from .holders import Assigned, Holders, assign
from .messages import largest_registration
from .objects import Node, Service, Slice
from .routes import Complaint, HttpRoute, TcpRoute

NEW = Holders()
Addresses = t.Callable[[Service], "frozenset[str]"]


class Wanted(t.NamedTuple):
    """The routes to register, the Services that hold them, and requests that cannot be fulfilled."""

    tcp: tuple[TcpRoute, ...] = ()
    http: tuple[HttpRoute, ...] = ()
    complaints: tuple[Complaint, ...] = ()
    tcp_holders: Holders = NEW
    http_holders: Holders = NEW

    def recorded(self, tcp: Holders, http: Holders) -> Wanted:
        """Return the plan without the routes of Services that hold them only since then."""
        kept = [route._replace(uris=tuple(uri for uri in route.uris if http.of.get(uri) == route.uid)) for route in self.http]
        return self._replace(
            tcp=tuple(route for route in self.tcp if tcp.of.get(route.port) == route.uid), http=tuple(route for route in kept if route.uris)
        )


def plan(
    services: t.Iterable[Service],
    nodes: t.Iterable[Node],
    slices: t.Iterable[Slice],
    settings: Settings,
    tcp_holders: Holders = NEW,
    http_holders: Holders = NEW,
) -> Wanted:
    """Assign ports and host names to Services. Who holds one keeps it; of new requests at the same moment, the oldest Service gets it."""
    addresses = _addresses(nodes, slices)
    complaints: list[Complaint] = []
    by_age = sorted(services, key=lambda service: (service.created, service.uid))
    tcp = [claim for service in by_age if service.tcp is not None for claim in tcp_claims(service, settings, complaints).values()]
    http = [claim for service in by_age if service.http is not None for claim in http_claims(service, settings, complaints).values()]
    ports, hosts = assign(tcp, tcp_holders), assign(http, http_holders)
    routes = _http_routes(hosts, addresses, settings, complaints)
    return Wanted(
        tcp=tuple(_tcp_routes(ports, addresses, settings)),
        http=tuple(routes),
        complaints=(*complaints, *ports.complaints, *hosts.complaints),
        tcp_holders=ports.holders,
        http_holders=hosts.holders,
    )


def _addresses(nodes: t.Iterable[Node], slices: t.Iterable[Slice]) -> Addresses:
    """Return a function that returns the addresses of the backends of a Service."""
    serving = {node.name: node.address for node in nodes if node.serves}
    everywhere = frozenset(serving.values())
    local = collections.defaultdict(set)
    for entry in slices:
        local[entry.service].update(serving[name] for name in entry.nodes if name in serving)
    return lambda service: frozenset(local[service.namespace, service.name]) if service.local else everywhere


def _tcp_routes(ports: Assigned, addresses: Addresses, settings: Settings) -> t.Iterator[TcpRoute]:
    for claim in ports.claims.values():
        if claim.port:
            chosen = backends(claim.service.uid, addresses(claim.service), settings.max_backends)
            yield TcpRoute(claim.key, claim.port.node_port, chosen, claim.service.uid)


@functools.lru_cache(maxsize=4096)
def backends(uid: str, addresses: frozenset[str], most: int) -> frozenset[str]:
    """Return the backends of a Service's TCP routes, by rendezvous hashing: a node that comes or goes changes one of them at most.

    The TCP routers skip IPv6 addresses.
    """
    usable = [ip for ip in addresses if ":" not in ip]
    if len(usable) <= most:
        return frozenset(usable)
    return frozenset(sorted(usable, key=lambda ip: hashlib.blake2b(f"{uid} {ip}".encode(), digest_size=8).digest())[:most])


def _http_routes(hosts: Assigned, addresses: Addresses, settings: Settings, complaints: list[Complaint]) -> t.Iterator[HttpRoute]:
    """Yield one route for each Service, with all its URIs."""
    by_service: dict[str, list[Claim]] = collections.defaultdict(list)
    for claim in hosts.claims.values():
        by_service[claim.service.uid].append(claim)
    for claims in by_service.values():
        service, port = claims[0].service, claims[0].port
        if not port:
            continue
        uris = tuple(claim.key for claim in claims)
        segment = isolation_segment(service, settings)
        route = HttpRoute(uris, port.node_port, addresses(service), tls_name(service), str(service), service.uid, segment)
        size = largest_registration(route, settings.cluster)
        if settings.max_message and size > settings.max_message:
            message = f"its registration has {size} bytes, expected at most {settings.max_message}, the limit of NATS: use fewer or shorter hosts"
            complaints.append(Complaint(service, "RouteLimit", message))
        else:
            yield route

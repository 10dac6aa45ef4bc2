# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan: which routes to register, and which requests to refuse. Pure functions on plain values."""

from __future__ import annotations

import collections
import re
import typing as t

from .objects import Node, Port, Service, Slice
from .ports import Ports

LABEL = re.compile(r"(\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")
PATH = re.compile(r"(/[-A-Za-z0-9._~%!$&'()*+,;=:@]+)+/?")


class TcpRoute(t.NamedTuple):
    """A port of the TCP routers, with the node port and the addresses behind it."""

    port: int
    node_port: int
    addresses: frozenset[str]


class HttpRoute(t.NamedTuple):
    """Host names, with or without a path, and the node port behind them. If tls_name is set, the backend speaks TLS."""

    uris: tuple[str, ...]
    node_port: int
    addresses: frozenset[str]
    tls_name: str
    service: str


class Complaint(t.NamedTuple):
    """The reason why a Service does not get a requested route."""

    service: Service
    reason: str
    message: str


class Settings(t.NamedTuple):
    """The domains and ports that Services may request."""

    app_domain: str | None
    domains: tuple[str, ...] = ()
    # Reservable ports of the router group, None without a routing API; and those of them that others use.
    ports: Ports | None = None
    taken: frozenset[int] = frozenset()
    http: bool = True


class Wanted(t.NamedTuple):
    tcp: tuple[TcpRoute, ...] = ()
    http: tuple[HttpRoute, ...] = ()
    complaints: tuple[Complaint, ...] = ()


class Refused(Exception):
    """A route cannot be registered. The arguments are the reason and the message of the Event."""


def plan(services: t.Iterable[Service], nodes: t.Iterable[Node], slices: t.Iterable[Slice], settings: Settings) -> Wanted:
    """Assign ports and host names to Services. Each goes to the oldest Service with a valid request for it."""
    serving = {node.name: node.address for node in nodes if node.serves}
    everywhere = frozenset(serving.values())
    local = collections.defaultdict(set)
    for entry in slices:
        local[entry.service].update(serving[name] for name in entry.nodes if name in serving)

    tcp: dict[int, tuple[Service, TcpRoute]] = {}
    owners: dict[str, Service] = {}
    http: list[HttpRoute] = []
    complaints: list[Complaint] = []

    for service in sorted(services, key=lambda service: (service.created, service.uid)):
        addresses = frozenset(local[service.namespace, service.name]) if service.local else everywhere
        if service.tcp is not None:
            for ask in attempt(complaints, service, requested_tcp) or ():
                attempt(complaints, service, claim_tcp, tcp, *ask, addresses, settings)
        if service.http is not None:
            route = attempt(complaints, service, requested_http, addresses, settings)
            if route:
                mine = tuple(uri for uri in route.uris if owners.setdefault(uri, service) is service)
                complaints += [clash(service, f"host {uri}", owners[uri]) for uri in route.uris if uri not in mine]
                if mine:
                    http.append(route._replace(uris=mine))
    return Wanted(tuple(route for _service, route in tcp.values()), tuple(http), tuple(complaints))


def attempt(complaints: list[Complaint], service: Service, step: t.Callable[..., t.Any], *arguments: t.Any) -> t.Any:
    """Run a step; if it refuses, append the complaint and return None."""
    try:
        return step(service, *arguments)
    except Refused as refusal:
        complaints.append(Complaint(service, *refusal.args))
        return None


def clash(service: Service, what: str, owner: Service) -> Complaint:
    return Complaint(service, "RouteClash", f"{what} belongs to Service {owner}, which is older")


def requested_tcp(service: Service) -> list[tuple[str, Port]]:
    """Return the external ports that a Service requests by its label and annotation, each with the Service's own port."""
    asks = [(service.tcp, service_port(service, service.annotations.get("tcp-route-port"), "cfcr.io/tcp-route-port"))]
    for entry in split_list(service.annotations.get("tcp-routes", "")):
        external, equals, own = entry.partition("=")
        if not equals:
            raise Refused(
                "RouteInvalid", f"annotation cfcr.io/tcp-routes: found {entry!r}, expected a list such as 9187=metrics, 9188=8080"
            )
        asks.append((external.strip(), service_port(service, own.strip(), "cfcr.io/tcp-routes")))
    return asks


def claim_tcp(
    service: Service, tcp: dict[int, tuple[Service, TcpRoute]], external: str, port: Port, addresses: frozenset[str], settings: Settings
) -> None:
    if not re.fullmatch(r"[1-9][0-9]{0,4}", external) or int(external) > 65535:
        raise Refused("RouteInvalid", f"found TCP port {external!r}, expected a number from 1 to 65535")
    number = int(external)
    if settings.ports is None:
        raise Refused("RouteImpossible", "this cluster has no routing API for TCP routes")
    if not settings.ports.contains(number):
        raise Refused("PortNotReservable", f"port {number} is not among the reservable ports of the router group: {settings.ports}")
    if number in tcp:
        raise Refused(*clash(service, f"TCP port {number}", tcp[number][0])[1:])
    if number in settings.taken:
        raise Refused("RouteClash", f"TCP port {number} is already used outside this cluster")
    tcp[number] = (service, TcpRoute(number, port.node_port, addresses))


def requested_http(service: Service, addresses: frozenset[str], settings: Settings) -> HttpRoute:
    if not settings.http:
        raise Refused("RouteImpossible", "this cluster has no NATS for HTTP routes")
    port = service_port(service, service.annotations.get("http-route-port"), "cfcr.io/http-route-port")
    path = service.annotations.get("http-route-path", "").strip()
    if path not in ("", "/") and not PATH.fullmatch(path):
        raise Refused("RouteInvalid", f"annotation cfcr.io/http-route-path: found {path!r}, expected a path such as /v2")
    hosts = [f"{host_name(service.http, 'label http-route-sync')}.{settings.app_domain}"]
    hosts += [full_name(host, settings) for host in split_list(service.annotations.get("http-route-hosts", ""))]
    tls_name = service.annotations.get("http-route-tls-name", "").strip().lower()
    if tls_name:
        host_name(tls_name, "annotation cfcr.io/http-route-tls-name")
    # Lower-case and without a final slash, as in gorouter's table.
    uris = (f"{host}{path.rstrip('/')}".lower() for host in hosts)
    return HttpRoute(tuple(dict.fromkeys(uris)), port.node_port, addresses, tls_name, str(service))


def full_name(host: str, settings: Settings) -> str:
    """Return a host name below one of the domains unchanged, and complete a single label by the domain of the apps."""
    host = host_name(host, "annotation cfcr.io/http-route-hosts")
    domains = (settings.app_domain, *settings.domains)
    if any(host == domain or host.endswith(f".{domain}") for domain in domains):
        return host
    # A Service may not claim names of other domains.
    if "." in host.removeprefix("*."):
        raise Refused("RouteInvalid", f"annotation cfcr.io/http-route-hosts: found {host}, expected a name below one of {', '.join(domains)}")
    return f"{host}.{settings.app_domain}"


def host_name(text: str, where: str) -> str:
    host = text.strip().lower()
    if not LABEL.fullmatch(host):
        raise Refused("RouteInvalid", f"{where}: found {text!r}, expected a DNS name")
    return host


def service_port(service: Service, wanted: str | None, annotation: str) -> Port:
    """Return the port of the Service behind a route."""
    if service.type not in ("NodePort", "LoadBalancer"):
        raise Refused("RouteImpossible", f"found a Service of type {service.type}, which has no node ports; expected NodePort or LoadBalancer")
    ports = [port for port in service.ports if port.protocol == "TCP" and port.node_port]
    shown = ", ".join(port.name or str(port.number) for port in ports) or "none"
    if wanted is None and len(ports) > 1:
        raise Refused("RouteInvalid", f"the Service has several ports ({shown}): select one with annotation {annotation}")
    found = [port for port in ports if wanted is None or wanted.strip() in (port.name, str(port.number))]
    if not found:
        complaint = "the Service has no TCP port with a node port" if wanted is None else f"found {wanted!r}, expected one of {shown}"
        raise Refused("RouteInvalid", complaint if wanted is None else f"annotation {annotation}: {complaint}")
    return found[0]


def split_list(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts and ports that a Service requests and may have. Pure functions on plain values.

Tenants write the labels and annotations. Their lengths and numbers are limited before anything is made of them.
"""

from __future__ import annotations

import re
import typing as t

from .objects import ANNOTATION_LENGTH, Port, Service
from .ports import Ports
from .routes import Complaint, Refused
from .rules import Rules

LABEL = re.compile(r"(\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")
PATH = re.compile(r"(/[-A-Za-z0-9._~%!$&'()*+,;=:@]+)+/?")
# Limits of a Service.
MAX_HOSTS, MAX_TCP_PORTS = 20, 20
MAX_HOST_LENGTH, MAX_PATH_LENGTH = 253, 128
SHOWN_LENGTH = 60


class Settings(t.NamedTuple):
    """What Services may request, and what the peers allow."""

    rules: Rules
    # Reservable ports of the router group, None without a routing API; and those of them that others use.
    ports: Ports | None = None
    taken: frozenset[int] = frozenset()
    http: bool = True
    # The cluster's name, which is in every message, and the largest message that NATS accepts, 0 while it is unknown.
    cluster: str = ""
    max_message: int = 0
    # The most backends of a TCP route.
    max_backends: int = 10
    # The isolation segment of HTTP routes, and further ones that Services may select.
    segment: str = ""
    segments: frozenset[str] = frozenset()


class Claim(t.NamedTuple):
    """A request for a key, the URI of an HTTP route or the port of a TCP route, that passed all rules.

    One namespace at a time has a host, with all its paths. The port is None if the Service cannot have a route at present.
    """

    service: Service
    key: str | int
    host: str | int
    port: Port | None

    @property
    def title(self) -> str:
        return f"TCP port {self.key}" if isinstance(self.key, int) else f"host {self.key}"

    @property
    def length(self) -> int:
        return len(str(self.key))


def attempt(complaints: list[Complaint], service: Service, step: t.Callable[..., t.Any], *arguments: t.Any) -> t.Any:
    """Run a step; if it refuses, append the complaint and return None."""
    try:
        return step(service, *arguments)
    except Refused as refusal:
        complaints.append(Complaint(service, *refusal.args))
        return None


def tcp_claims(service: Service, settings: Settings, complaints: list[Complaint]) -> dict[int, Claim]:
    """Return the claims of a Service to TCP ports."""
    asks = [(service.tcp or "", service.annotations.get("tcp-route-port"), "tcp-route-port")]
    for entry in listed(service, "tcp-routes", MAX_TCP_PORTS - 1, complaints):
        external, equals, own = entry.partition("=")
        if equals:
            asks.append((external, own, "tcp-routes"))
        else:
            message = f"annotation cfcr.io/tcp-routes: found {shown(entry)}, expected a list such as 9187=metrics, 9188=8080"
            complaints.append(Complaint(service, "RouteInvalid", message))
    claims: dict[int, Claim] = {}
    for external, own, annotation in asks:
        number = attempt(complaints, service, requested_port, external, settings)
        if number is not None and number not in claims:
            port = attempt(complaints, service, tcp_backend, number, own, annotation, settings)
            claims[number] = Claim(service, number, number, port)
    return claims


def requested_port(service: Service, external: str, settings: Settings) -> int:
    text = external.strip()
    if not re.fullmatch(r"[1-9][0-9]{0,4}", text) or int(text) > 65535:
        raise Refused("RouteInvalid", f"found TCP port {shown(external)}, expected a number from 1 to 65535")
    settings.rules.check_port(service.namespace, int(text))
    return int(text)


def tcp_backend(service: Service, number: int, own: str | None, annotation: str, settings: Settings) -> Port:
    if settings.ports is None:
        raise Refused("RouteImpossible", "this cluster has no routing API for TCP routes")
    if not settings.ports.contains(number):
        raise Refused("PortNotReservable", f"port {number} is not among the reservable ports of the router group: {settings.ports}")
    if number in settings.taken:
        raise Refused("RouteClash", f"TCP port {number} is already used outside this cluster")
    return service_port(service, own, f"cfcr.io/{annotation}")


def http_claims(service: Service, settings: Settings, complaints: list[Complaint]) -> dict[str, Claim]:
    """Return the claims of a Service to URIs: each of its hosts with the path of the Service."""
    port = attempt(complaints, service, http_backend, settings)
    path = attempt(complaints, service, requested_path)
    if path is None or not settings.rules.domains:
        return {}
    hosts = [attempt(complaints, service, label_host, settings)]
    for text in listed(service, "http-route-hosts", MAX_HOSTS - 1, complaints):
        hosts.append(attempt(complaints, service, annotation_host, text, settings))
    # Lower-case and without a final slash, as in gorouter's table.
    return {uri: Claim(service, uri, host, port) for host in hosts if host for uri in [f"{host}{path.rstrip('/')}".lower()]}


def requested_path(service: Service) -> str:
    path = service.annotations.get("http-route-path", "").strip()
    if len(path) > MAX_PATH_LENGTH:
        raise Refused("RouteLimit", f"annotation cfcr.io/http-route-path: found {shown(path)}, expected at most {MAX_PATH_LENGTH} characters")
    if path not in ("", "/") and not PATH.fullmatch(path):
        raise Refused("RouteInvalid", f"annotation cfcr.io/http-route-path: found {shown(path)}, expected a path such as /v2")
    return path


def label_host(service: Service, settings: Settings) -> str:
    where = "label http-route-sync"
    return allowed_host(service, f"{host_name(service.http or '', where)}.{settings.rules.domains[0]}", where, settings)


def annotation_host(service: Service, text: str, settings: Settings) -> str:
    """Return a host name below one of the domains unchanged, and complete a single label by the domain of the apps."""
    where, domains = "annotation cfcr.io/http-route-hosts", settings.rules.domains
    host = host_name(text, where)
    if not any(host == domain or host.endswith(f".{domain}") for domain in domains):
        # A Service may not claim names of other domains.
        if "." in host.removeprefix("*."):
            raise Refused("RouteInvalid", f"{where}: found {shown(host)}, expected a name below one of {', '.join(domains)}")
        host = f"{host}.{domains[0]}"
    return allowed_host(service, host, where, settings)


def allowed_host(service: Service, host: str, where: str, settings: Settings) -> str:
    settings.rules.check_host(service.namespace, host_name(host, where))
    return host


def host_name(text: str, where: str) -> str:
    host = text.strip().lower()
    if len(host) > MAX_HOST_LENGTH:
        raise Refused("RouteLimit", f"{where}: found {shown(text)} of {len(host)} characters, expected at most {MAX_HOST_LENGTH}")
    if not LABEL.fullmatch(host):
        raise Refused("RouteInvalid", f"{where}: found {shown(text)}, expected a DNS name")
    return host


def http_backend(service: Service, settings: Settings) -> Port:
    if not settings.http:
        raise Refused("RouteImpossible", "this cluster has no NATS for HTTP routes")
    tls_name(service)
    isolation_segment(service, settings)
    return service_port(service, service.annotations.get("http-route-port"), "cfcr.io/http-route-port")


def tls_name(service: Service) -> str:
    """Return the name in the certificate of a backend that speaks TLS."""
    text = service.annotations.get("http-route-tls-name", "").strip()
    return host_name(text, "annotation cfcr.io/http-route-tls-name") if text else ""


def isolation_segment(service: Service, settings: Settings) -> str:
    """Return the isolation segment whose gorouters get the routes of a Service."""
    text = service.annotations.get("http-route-isolation-segment", "").strip()
    if not text:
        return settings.segment
    allowed = settings.segments | {settings.segment}
    if text not in allowed:
        names = ", ".join(sorted(filter(None, allowed))) or "none, because the cluster has no isolation segments"
        raise Refused("RouteForbidden", f"annotation cfcr.io/http-route-isolation-segment: found {shown(text)}, expected one of {names}")
    return text


def service_port(service: Service, wanted: str | None, annotation: str) -> Port:
    """Return the port of the Service behind a route."""
    if service.type not in ("NodePort", "LoadBalancer"):
        raise Refused("RouteImpossible", f"found a Service of type {service.type}, which has no node ports; expected NodePort or LoadBalancer")
    ports = [port for port in service.ports if port.protocol == "TCP" and port.node_port]
    names = ", ".join(port.name or str(port.number) for port in ports[:MAX_TCP_PORTS]) or "none"
    if wanted is None and len(ports) > 1:
        raise Refused("RouteInvalid", f"the Service has several ports ({names}): select one with annotation {annotation}")
    found = [port for port in ports if wanted is None or wanted.strip() in (port.name, str(port.number))]
    if not found:
        complaint = "the Service has no TCP port with a node port" if wanted is None else f"found {shown(wanted)}, expected one of {names}"
        raise Refused("RouteInvalid", complaint if wanted is None else f"annotation {annotation}: {complaint}")
    return found[0]


def listed(service: Service, name: str, limit: int, complaints: list[Complaint]) -> list[str]:
    """Return the entries of a list in an annotation, at most as many as the limit."""
    text = service.annotations.get(name, "")
    if len(text) > ANNOTATION_LENGTH:
        message = f"annotation cfcr.io/{name}: found {shown(text)}, expected at most {ANNOTATION_LENGTH} characters; the rest is ignored"
        complaints.append(Complaint(service, "RouteLimit", message))
        text = text[:ANNOTATION_LENGTH].rpartition(",")[0]
    entries = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if len(entries) > limit:
        message = f"annotation cfcr.io/{name}: found {len(entries)} entries, expected at most {limit}; the others are ignored"
        complaints.append(Complaint(service, "RouteLimit", message))
    return entries[:limit]


def shown(text: str) -> str:
    """Return a tenant's text in quotes, escaped, and cut if it is long."""
    return repr(text if len(text) <= SHOWN_LENGTH else f"{text[: SHOWN_LENGTH - 3]}...")

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of topology cf_routing, in which Cloud Foundry's routers lead to the cluster. All functions are pure and take plain values."""

from __future__ import annotations

import ipaddress
import re
import typing as t
import urllib.parse

from .names import LABEL
from .problems import Problem

__all__ = ("check_cloud_foundry",)

Values = t.Mapping[str, t.Any]

_RESERVABLE = range(1024, 65536)  # the reservable ports that the routing API accepts
_TTL = range(10, 121)  # by default the routing API refuses more than 120 seconds
_BACKENDS = range(1, 1001)
_CERTIFICATE = "-----BEGIN CERTIFICATE-----"
_DOMAIN = re.compile(r"(?![0-9.]+$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+")
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_LONGEST_NAME = 253
_KEYS = {"hosts", "domains", "ports"}


def check_cloud_foundry(values: Values) -> t.Iterator[Problem]:
    """Check the values of one host."""
    if values.get("cluster_topology") != "cf_routing":
        return
    yield from _routing_api(values)
    yield from _api_route(values)
    yield from _http_routes(values)
    yield from _domains(values)
    yield from _namespaces(values)
    yield from _subnet(values)


def _routing_api(values: Values) -> t.Iterator[Problem]:
    for name in ("cf_routing_api_url", "cf_routing_uaa_url"):
        if name in values and not _is_url(values[name], "https"):
            yield Problem(name, values[name] or "nothing", "a URL such as https://api.cf.example.com")
    if not values.get("cf_routing_client_id", "x"):
        yield Problem("cf_routing_client_id", "nothing", "the name of a UAA client")
    if not values.get("cf_routing_router_group", "x"):
        yield Problem("cf_routing_router_group", "nothing", "the name of a router group")
    if values.get("cf_routing_ca") and _CERTIFICATE not in values["cf_routing_ca"]:
        yield Problem("cf_routing_ca", "no certificate", "certificates in PEM, or nothing")


def _api_route(values: Values) -> t.Iterator[Problem]:
    port, ttl, host = values.get("cluster_api_port"), values.get("cf_routing_ttl"), values.get("cluster_api_host", "")
    if port is not None and port not in _RESERVABLE:
        yield Problem("cluster_api_port", str(port), "a reservable port of the router group, 1024 to 65535")
    if ttl is not None and ttl not in _TTL:
        yield Problem("cf_routing_ttl", str(ttl), f"{_TTL[0]} to {_TTL[-1]} seconds")
    backends = values.get("cf_routing_tcp_backends")
    if backends is not None and backends not in _BACKENDS:
        yield Problem("cf_routing_tcp_backends", str(backends), f"{_BACKENDS[0]} to {_BACKENDS[-1]} nodes")
    if host and values.get("cf_routing_sni") and not _DOMAIN.fullmatch(host.lower()):
        yield Problem("cluster_api_host", host, "a DNS name: with cf_routing_sni the routers tell clusters on one port apart by it")


def _http_routes(values: Values) -> t.Iterator[Problem]:
    domain, servers = values.get("cf_routing_app_domain", ""), values.get("cf_routing_nats_servers", [])
    if domain and not _DOMAIN.fullmatch(domain.lower()):
        yield Problem("cf_routing_app_domain", domain, "a DNS domain such as apps.cf.example.com")
    if bool(domain) != bool(servers):
        missing, given = ("cf_routing_nats_servers", "cf_routing_app_domain") if domain else ("cf_routing_app_domain", "cf_routing_nats_servers")
        yield Problem(missing, "nothing", f"a value, because {given} is set: HTTP routes need both")
    for server in servers:
        if not _is_url(server, "tls"):
            found = "a URL with a user and maybe a password" if "@" in server else server or "nothing"
            yield Problem("cf_routing_nats_servers", found, "URLs such as tls://10.0.0.5:4224: without TLS anybody could read the password")
    for segment in values.get("cf_routing_isolation_segments", []):
        if not str(segment).strip():
            yield Problem("cf_routing_isolation_segments", "an empty name", "names of isolation segments")
    tls_hostname = values.get("cf_routing_nats_tls_hostname", "")
    if tls_hostname and not _DOMAIN.fullmatch(tls_hostname):
        yield Problem("cf_routing_nats_tls_hostname", tls_hostname, "a lower-case DNS name such as nats.service.cf.internal")
    for name in ("cf_routing_nats_ca", "cf_routing_nats_certificate"):
        if servers and name in values and _CERTIFICATE not in values[name]:
            yield Problem(name, "no certificate" if values[name] else "nothing", "a certificate in PEM, because cf_routing_nats_servers is set")


def _domains(values: Values) -> t.Iterator[Problem]:
    """Whoever labels a Service chooses a name in these domains, so Cloud Foundry's own names must not be in them."""
    app_domain, domains = values.get("cf_routing_app_domain", ""), values.get("cf_routing_domains", [])
    for domain in domains:
        if not _DOMAIN.fullmatch(str(domain).lower()):
            yield Problem("cf_routing_domains", str(domain) or "an empty domain", "DNS domains such as shop.example.org")
    if domains and not app_domain:
        yield Problem("cf_routing_domains", ", ".join(map(str, domains)), "nothing, because cf_routing_app_domain is not set")
    named = [("cf_routing_app_domain", app_domain), *(("cf_routing_domains", str(domain)) for domain in domains)]
    for name, domain in named:
        taken = [host for host in _cloud_foundry_hosts(values) if domain and (_within(host, domain.lower()) or _within(domain.lower(), host))]
        if taken:
            yield Problem(name, domain, f"a domain that neither contains {taken[0]} nor lies below it: Services could take requests to Cloud Foundry itself")


def _namespaces(values: Values) -> t.Iterator[Problem]:
    """Check the routes that are bound to namespaces."""
    bound = values.get("cf_routing_namespaces", {})
    taken: dict[str, str] = {}
    ports: list[tuple[range, str]] = []
    for namespace, binding in bound.items() if isinstance(bound, dict) else ():
        subject = f"cf_routing_namespaces.{namespace}"
        if not re.fullmatch(LABEL, str(namespace)):
            yield Problem("cf_routing_namespaces", str(namespace), "names of namespaces")
        if not isinstance(binding, dict) or not all(isinstance(entries, list) for entries in binding.values()) or set(binding) - _KEYS:
            yield Problem(subject, str(binding)[:80], "a dictionary with lists hosts, domains and ports")
            continue
        for kind in ("hosts", "domains"):
            for name in binding.get(kind, []):
                yield from _bound_name(f"{subject}.{kind}", str(name), kind, values)
                yield from _bound_once(f"{subject}.{kind}", f"{kind} {name}".lower(), str(name), str(namespace), taken)
        for text in binding.get("ports", []):
            numbers = _ports(text)
            yield from _bound_ports(f"{subject}.ports", text, numbers, values)
            for others, other in ports:
                if range(max(numbers[0], others[0]), min(numbers[-1], others[-1]) + 1) if numbers else ():
                    yield Problem(f"{subject}.ports", f"{text}, of which some are bound to {other}", "each port once")
            ports += [(numbers, str(namespace))] if numbers else []


def _bound_name(subject: str, name: str, kind: str, values: Values) -> t.Iterator[Problem]:
    domains = [str(domain).lower() for domain in (values.get("cf_routing_app_domain", ""), *values.get("cf_routing_domains", [])) if domain]
    if not domains:
        yield Problem(subject, name, "nothing, because cf_routing_app_domain is not set: there are no HTTP routes")
    elif not _DOMAIN.fullmatch(name) or len(name) > _LONGEST_NAME or not any(_within(name, domain) for domain in domains):
        yield Problem(subject, name or "an empty name", f"lower-case names at or below {' or '.join(domains)}, without wildcards")
    elif kind == "hosts" and name == str(values.get("cluster_api_host", "")).lower():
        yield Problem(subject, name, "another name than cluster_api_host, which is reserved for the API")


def _bound_once(subject: str, key: str, name: str, namespace: str, taken: dict[str, str]) -> t.Iterator[Problem]:
    if key in taken:
        yield Problem(subject, f"{name}, which is bound to {taken[key]} already", "each name once")
    taken.setdefault(key, namespace)


def _bound_ports(subject: str, text: object, numbers: range, values: Values) -> t.Iterator[Problem]:
    if not numbers or numbers[0] not in _RESERVABLE or numbers[-1] not in _RESERVABLE:
        yield Problem(subject, str(text), "reservable ports of the router group, 1024 to 65535, such as 10000 or 10000-10009")
    elif values.get("cluster_api_port") in numbers:
        yield Problem(subject, str(text), f"ports without cluster_api_port {values['cluster_api_port']}, which is reserved for the API")


def _ports(text: object) -> range:
    """Return the ports of a number or of a range such as 10000-10009, none if it is neither."""
    match = _PORTS.fullmatch(str(text))
    return range(int(match[1]), int(match[2] or match[1]) + 1) if match else range(0)


def _cloud_foundry_hosts(values: Values) -> list[str]:
    """Return Cloud Foundry's own hosts that are known: those of its API and UAA, and UAA's login page."""
    hosts = []
    for name in ("cf_routing_api_url", "cf_routing_uaa_url"):
        if _is_url(values.get(name, ""), "https"):
            hosts.append(str(urllib.parse.urlsplit(values[name]).hostname))
    named = [host for host in hosts if _DOMAIN.fullmatch(host)]
    return [*named, *(f"login.{host.partition('.')[2]}" for host in named)]


def _within(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


def _subnet(values: Values) -> t.Iterator[Problem]:
    """The networks of Cloud Foundry and of the cluster are routed to each other, so they must not overlap."""
    text = values.get("cf_routing_subnet")
    if not text:
        return
    try:
        subnet = ipaddress.IPv4Network(text)
    except ValueError:
        yield Problem("cf_routing_subnet", text, "an IPv4 network such as 10.0.16.0/20, without host bits")
        return
    for name in ("cluster_service_cidr", "cluster_pod_cidr"):
        network = _network(values.get(name, ""))
        if network and network.overlaps(subnet):
            yield Problem(name, f"{network}, which overlaps cf_routing_subnet {subnet}", "networks that do not overlap")
    address = _network(values.get("cluster_host_address", ""))
    if address and address.subnet_of(subnet):
        found = f"{address.network_address}, in cf_routing_subnet {subnet}"
        yield Problem("cluster_host_address", found, "an address outside that subnet: the cluster has its own")


def _is_url(text: str, scheme: str) -> bool:
    try:
        url = urllib.parse.urlsplit(text)
        port_is_right = url.port is None or 0 < url.port < 65536
    except ValueError:
        return False
    return url.scheme == scheme and bool(url.hostname) and port_is_right and not url.username


def _network(text: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text)
    except ValueError:
        return None

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts and ports that the Services of a namespace may have. Pure functions on plain values."""

from __future__ import annotations

import typing as t
import urllib.parse

from .ports import Ports
from .routes import Refused

# Cloud Foundry's own names in its system domain, the domain of its API.
SYSTEM_NAMES = ("api", "credhub", "doppler", "log-api", "log-cache", "log-stream", "loggregator", "login", "ssh", "uaa")
BIND = "an administrator can bind it to a namespace"


class Rules(t.NamedTuple):
    """The domains of the cluster, reserved names and ports, and those that are bound to a namespace."""

    # The first one completes single labels. It is empty without HTTP routes.
    domains: tuple[str, ...] = ()
    reserved_hosts: frozenset[str] = frozenset()
    reserved_ports: frozenset[int] = frozenset()
    bound_hosts: t.Mapping[str, str] = {}
    bound_domains: t.Mapping[str, str] = {}
    bound_ports: tuple[tuple[Ports, str], ...] = ()
    bound_only: bool = False

    def check_host(self, namespace: str, host: str) -> None:
        """Refuse a host that the Services of a namespace may not have."""
        if any(name in self.reserved_hosts for name in parents(host)):
            raise Refused("RouteForbidden", f"host {host} is reserved for the cluster's API or for Cloud Foundry itself")
        bound_to = self.bound_hosts.get(host) or next((self.bound_domains[name] for name in parents(host) if name in self.bound_domains), None)
        if bound_to == namespace:
            return
        if bound_to:
            raise Refused("RouteForbidden", f"host {host} is bound to namespace {bound_to}")
        if host.startswith("*."):
            raise Refused("RouteForbidden", f"wildcard host {host} is reserved: an administrator can bind its domain to a namespace")
        if host in self.domains:
            raise Refused("RouteForbidden", f"host {host} is a whole domain, which is reserved: {BIND}")
        if self.bound_only:
            raise Refused("RouteForbidden", f"host {host} is not bound to namespace {namespace}: {BIND}")

    def check_port(self, namespace: str, port: int) -> None:
        """Refuse a TCP port that the Services of a namespace may not have."""
        if port in self.reserved_ports:
            raise Refused("RouteForbidden", f"TCP port {port} is reserved for the cluster's API")
        bound_to = next((name for ports, name in self.bound_ports if ports.contains(port)), None)
        if bound_to not in (None, namespace):
            raise Refused("RouteForbidden", f"TCP port {port} is bound to namespace {bound_to}")
        if bound_to is None and self.bound_only:
            raise Refused("RouteForbidden", f"TCP port {port} is not bound to namespace {namespace}: {BIND}")


def parents(host: str) -> t.Iterator[str]:
    """Yield a host without its wildcard, and the domains above it."""
    name = host.removeprefix("*.")
    while name:
        yield name
        name = name.partition(".")[2]


def rules(config: dict[str, t.Any]) -> Rules:
    """Return the rules of a configuration of cf-route-sync."""
    bound = config["namespaces"].items()
    return Rules(
        domains=tuple(filter(None, (config["app_domain"], *config["domains"]))),
        reserved_hosts=frozenset({*config["reserved"]["hosts"], *cloud_foundry_hosts(config)}),
        reserved_ports=frozenset(config["reserved"]["ports"]),
        bound_hosts={host: namespace for namespace, binding in bound for host in binding["hosts"]},
        bound_domains={domain: namespace for namespace, binding in bound for domain in binding["domains"]},
        bound_ports=tuple((Ports.parse(str(ports)), namespace) for namespace, binding in bound for ports in binding["ports"]),
        bound_only=config["bound_only"],
    )


def cloud_foundry_hosts(config: dict[str, t.Any]) -> t.Iterator[str]:
    """Yield the hosts of Cloud Foundry itself: those of its API and UAA, and other names in its system domain."""
    urls = [config[name]["url"] for name in ("routing_api", "uaa") if config[name]]
    hosts = [urllib.parse.urlsplit(url).hostname or "" for url in urls]
    for host in hosts:
        yield host
        system_domain = host.partition(".")[2]
        # An address has no domain.
        if "." in system_domain and not host.replace(".", "").isdigit():
            yield from (f"{name}.{system_domain}" for name in SYSTEM_NAMES)

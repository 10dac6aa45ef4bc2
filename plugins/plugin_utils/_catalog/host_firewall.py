# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of nftables of one host: which addresses may connect to its ports, from catalog/ports.yml.

Only ports whose clients are hosts and pods are closed to others. All functions are pure.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import typing as t

from .ports import HOST_GROUPS, Port, ports_of

__all__ = ("Host", "Settings", "source_addresses", "table")

Values = t.Mapping[str, t.Any]
Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

PODS = "pods"
NODE_PORTS = "NodePorts"
_BRIDGE = "cni0"  # of the pods, as role flannel names it
_HEADER = "# Written by the Ansible collection cfcr.kubernetes; changes are overwritten."
_FAMILIES = {4: ("ip", "ipv4_addr"), 6: ("ip6", "ipv6_addr")}


@dataclasses.dataclass(frozen=True)
class Host:
    """One host of the cluster: its groups, its source addresses, the first of which is cluster_host_address, and the port of its SSH server."""

    groups: t.Collection[str]
    addresses: t.Sequence[str]
    ssh_port: int = 22


@dataclasses.dataclass(frozen=True)
class Settings:
    """The operator's settings."""

    enabled: bool
    pods: str  # cluster_pod_cidr
    sources: t.Sequence[str] = ()  # further clients of the closed ports
    ssh_pods: t.Sequence[str] = ()  # pods that may connect to SSH


def source_addresses(address: str, reported: t.Iterable[str], networks: t.Iterable[str], others: t.Collection[str]) -> list[str]:
    """Return a host's source addresses: its cluster_host_address, and those that it reports.

    A host may lie. So an address in a network of the cluster, or one that the inventory gives to another host, does not count.
    """
    excluded = [ipaddress.ip_network(network) for network in networks]
    found = {str(ipaddress.ip_address(text)) for text in reported}
    kept = {text for text in found if text not in others and not any(ipaddress.ip_address(text) in network for network in excluded)}
    return [address, *sorted(kept - {address}, key=_order)]


def table(catalog: t.Iterable[Values], name: str, hosts: t.Mapping[str, Host], settings: Settings) -> str:
    """Return the file of nft for one host. It replaces the table in one transaction.

    The comments record the addresses of all hosts, for runs that do not reach all of them.
    """
    catalog = list(catalog)
    lines = [_HEADER, *(f"# addresses of {json.dumps(other)}: {' '.join(host.addresses)}" for other, host in sorted(hosts.items()))]
    lines += ["table inet cfcr", "delete table inet cfcr"]
    if settings.enabled:
        lines += ["table inet cfcr {", *(f"    {line}" if line else "" for line in _content(catalog, name, hosts, settings)), "}"]
    return "\n".join(lines) + "\n"


def _content(catalog: list[Values], name: str, hosts: t.Mapping[str, Host], settings: Settings) -> list[str]:
    own = hosts[name]
    closed = [entry for entry in catalog if _is_closed(entry)]
    mine = [(entry, port) for entry in closed for port in ports_of([entry], own.groups, {})]
    overlay = [port.interface for port in ports_of(catalog, own.groups, {}) if port.interface]
    interfaces = [_BRIDGE, *overlay] if overlay else []
    forbidden = [port for entry in closed if PODS not in entry["clients"] for port in ports_of([entry], HOST_GROUPS, {})]
    sets: list[str] = []
    rules = ['iifname "lo" accept']
    if interfaces:
        sets += _destinations("ssh", {(address, "tcp", host.ssh_port) for host in hosts.values() for address in host.addresses})
        sets += _destinations("closed", {(address, port.protocol, port.first) for host in hosts.values() for address in host.addresses for port in forbidden})
        sets += _sources("ssh_pods", settings.ssh_pods)
        rules += [f"{match} jump own_ports_for_pods" for match in _from_pods(catalog, interfaces, settings.pods)]
        rules += [f'iifname "{interface}" {_match(port)} accept' for entry, port in mine if PODS in entry["clients"] for interface in interfaces]
    for entry, port in mine:
        clients = [address for host in hosts.values() if _connects(entry, host) for address in host.addresses]
        key = f"{port.protocol}_{port.first}"
        sets += _sources(key, [*clients, *settings.sources])
        rules += [f"{_match(port)} {family} saddr @{key}_v{version} accept" for version, (family, _type) in _FAMILIES.items()]
        rules.append(f"{_match(port)} drop")
    lines = [*sets, *_chain("input", rules, "type filter hook input priority filter; policy accept;")]
    if interfaces:
        families = list(_FAMILIES.items())
        allowed = [f"{family} saddr @ssh_pods_v{version}" for version, (family, _type) in families]
        own_rules = [f"{match} tcp dport {own.ssh_port} accept" for match in allowed]
        own_rules += [f"tcp dport {own.ssh_port} drop", *(f"{_match(port)} drop" for port in forbidden)]
        target = "{family} daddr . meta l4proto . th dport @{name}_v{version}"
        ssh = [
            f"{family} saddr @ssh_pods_v{version} {target.format(family=family, name='ssh', version=version)} accept" for version, (family, _type) in families
        ]
        drops = [f"{target.format(family=family, name=key, version=version)} drop" for key in ("ssh", "closed") for version, (family, _type) in families]
        jumps = [f"{match} jump hosts_ports_for_pods" for match in _from_pods(catalog, interfaces, settings.pods)]
        lines += _chain("forward", jumps, "type filter hook forward priority filter; policy accept;")
        lines += [*_chain("own_ports_for_pods", own_rules), *_chain("hosts_ports_for_pods", [*ssh, *drops])]
    return lines


def _is_closed(entry: Values) -> bool:
    """Tell whether only hosts and pods connect to the port."""
    clients = set(entry["clients"])
    return bool(clients) and clients <= {*HOST_GROUPS, PODS} and not entry.get("address", "").startswith("127.")


def _connects(entry: Values, host: Host) -> bool:
    """Tell whether a host is a client. What leaves a pod for another host has the worker's address."""
    return bool(set(host.groups) & set(entry["clients"])) or (PODS in entry["clients"] and "worker" in host.groups)


def _from_pods(catalog: list[Values], interfaces: list[str], pods: str) -> list[str]:
    """Return matches of packets that pods may have caused.

    kube-proxy has changed the destination of a packet to a NodePort, which another worker may have sent for a pod. The original one tells.
    """
    ranges = [port for entry in catalog if entry["purpose"] == NODE_PORTS for port in ports_of([entry], entry["hosts"], {})]
    return [
        *(f'iifname "{interface}"' for interface in interfaces),
        f"ip saddr {pods}",
        *(f"meta l4proto {port.protocol} ct status dnat ct original proto-dst {port.first}-{port.last}" for port in ranges),
    ]


def _match(port: Port) -> str:
    return f"{port.protocol} dport {port.first}" if port.first == port.last else f"{port.protocol} dport {port.first}-{port.last}"


def _sources(name: str, networks: t.Iterable[str]) -> list[str]:
    """Return a set of addresses and networks for each family."""
    parsed = {ipaddress.ip_network(text) for text in networks}
    lines: list[str] = []
    for version, (_family, kind) in _FAMILIES.items():
        elements = [_short(network) for network in sorted((network for network in parsed if network.version == version), key=str)]
        lines += _set(f"{name}_v{version}", kind, elements, "flags interval; auto-merge;")
    return lines


def _destinations(name: str, places: t.Collection[tuple[str, str, int]]) -> list[str]:
    """Return a set of addresses with ports for each family."""
    lines: list[str] = []
    for version, (_family, kind) in _FAMILIES.items():
        found = sorted((_order(address), protocol, port) for address, protocol, port in places if ipaddress.ip_address(address).version == version)
        elements = [f"{ipaddress.ip_address(number)} . {protocol} . {port}" for (_version, number), protocol, port in found]
        lines += _set(f"{name}_v{version}", f"{kind} . inet_proto . inet_service", elements)
    return lines


def _set(name: str, kind: str, elements: list[str], flags: str = "") -> list[str]:
    lines = [f"set {name} {{", f"    type {kind};"]
    if flags:
        lines.append(f"    {flags}")
    if elements:
        lines += ["    elements = {", *(f"        {element}," for element in elements), "    }"]
    return [*lines, "}"]


def _chain(name: str, rules: list[str], hook: str = "") -> list[str]:
    return [f"chain {name} {{", *(f"    {line}" for line in [hook, *rules] if line), "}"]


def _short(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _order(text: str) -> tuple[int, Address]:
    address = ipaddress.ip_address(text)
    return address.version, address

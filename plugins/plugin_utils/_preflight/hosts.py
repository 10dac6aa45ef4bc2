# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules for hosts. They read the facts of module host_facts, of the hosts that have them."""

from __future__ import annotations

import dataclasses
import fnmatch
import ipaddress
import typing as t
from collections import Counter

from ansible.module_utils.parsing.convert_bool import boolean

from ...module_utils._etcd.peers import strangers
from ...module_utils._host.addresses import MOST
from .._catalog.ports import Port
from .problems import Problem

__all__ = (
    "Host", "Limits", "check_clocks", "check_controller", "check_founding", "check_hosts", "check_limit", "check_living", "check_python", "unknown_routes",
)  # fmt: skip

Facts = t.Mapping[str, t.Any]

_PYTHON = (3, 9)
_ARCHITECTURES = ("amd64", "arm64")
_SYSTEMD = 248  # flanneld's sandbox needs ExecPaths and NoExecPaths

# The kernel features that each group needs: VXLAN for the overlay network, nftables for the firewall and kube-proxy, overlayfs and a bridge for pods.
_FEATURES = {
    "etcd": ("nftables",),
    "master": ("vxlan", "nftables"),
    "worker": ("overlay", "br_netfilter", "vxlan", "nftables"),
    "proxy": ("vxlan", "nftables"),
}

# Variables that cannot change once a cluster runs.
_LASTING = ("cluster_service_cidr", "cluster_pod_cidr")

# The interfaces of flannel and of the pods' bridge. Their networks are the cluster's own.
_OUR_INTERFACES = ("flannel*", "cni*")


@dataclasses.dataclass(frozen=True)
class Limits:
    """The limits that the operator sets."""

    operating_systems: t.Mapping[str, t.Sequence[str]]
    memory_mib: t.Mapping[str, int]  # by group
    disk_mib: t.Mapping[str, int]  # by directory
    worker_free_percent: int  # of the file system with /var/lib
    clock_skew: float


@dataclasses.dataclass(frozen=True)
class Host:
    """One host: its facts and its inventory values."""

    facts: Facts
    groups: t.Sequence[str]
    ports: t.Sequence[Port]
    networks: t.Mapping[str, str]  # the cluster's networks, by variable
    address: str
    name_servers: t.Sequence[str] = ()  # those of the host, or those that replace them
    pods_use_them: bool = True  # whether CoreDNS forwards to the name servers of its worker


def check_hosts(hosts: t.Mapping[str, Host], limits: Limits, units: t.Collection[str]) -> list[Problem]:
    """Return every problem of the hosts. The units are those of the collection."""
    problems: list[Problem] = []
    for name, host in hosts.items():
        if "error" in host.facts:
            problems.append(Problem(name, host.facts["error"], "a host that Ansible reaches, with root privileges and Python 3.9 or later"))
            continue
        try:
            problems += _check(name, host, limits, units)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # one host must not prevent the check of the others
            problems.append(Problem(name, f"facts that cannot be evaluated ({error!r:.100})", "facts of a host"))
    return [*problems, *_addresses({name: host for name, host in hosts.items() if "error" not in host.facts})]


def _addresses(hosts: t.Mapping[str, Host]) -> t.Iterator[Problem]:
    """Check that each host has its address: components listen on it, and certificates contain it."""
    owners = {address: name for name, host in hosts.items() for address in host.facts["addresses"]}
    for name, host in hosts.items():
        addresses = host.facts["addresses"]
        # A host without the program ip, or with more addresses than are gathered, does not tell all of them.
        if addresses and len(addresses) < MOST and host.address not in addresses:
            owner = f", and on one of {owners[host.address]}" if host.address in owners else ""
            found = f"cluster_host_address {host.address} on none of its interfaces{owner}"
            yield Problem(name, found, f"one of its addresses, {', '.join(addresses)}; an address that a router translates belongs in ansible_host")


def _check(name: str, host: Host, limits: Limits, units: t.Collection[str]) -> list[Problem]:
    problems = [*_system(name, host.facts, limits), *_size(name, host, limits), *_room_for_pods(name, host, limits)]
    problems += [*_networks(name, host), *_name_servers(name, host)]
    if host.facts["euid"] == 0:  # only root sees which process listens, and whether nftables works
        problems += [*_kernel(name, host), *_ports(name, host, units)]
    return problems


def check_python(name: str, facts: Facts) -> t.Iterator[Problem]:
    """Check that Python can run the modules."""
    if tuple(int(part) for part in facts["python_version"].split(".")[:2]) < _PYTHON:
        yield Problem(name, f"Python {facts['python_version']}", f"Python {'.'.join(str(part) for part in _PYTHON)} or later")


def _system(name: str, facts: Facts, limits: Limits) -> t.Iterator[Problem]:
    if facts["euid"] != 0:
        yield Problem(name, f"user {facts['user']}", "root: set ansible_become, or ansible_user: root")
    yield from check_python(name, facts)
    if facts["operating_system_version"] not in limits.operating_systems.get(facts["operating_system"], ()):
        expected = ", ".join(f"{system} {version}" for system, versions in limits.operating_systems.items() for version in versions)
        yield Problem(name, f"operating system {facts['operating_system']} {facts['operating_system_version']}".rstrip(), expected)
    if facts["architecture"] not in _ARCHITECTURES:
        yield Problem(name, f"architecture {facts['architecture']}", " or ".join(_ARCHITECTURES))
    if facts["init"] != "systemd":
        yield Problem(name, f"{facts['init'] or 'an unknown program'} as process 1", "systemd")
    elif facts["systemd_version"] and facts["systemd_version"] < _SYSTEMD:
        yield Problem(name, f"systemd {facts['systemd_version']}", f"systemd {_SYSTEMD} or later")


def _size(name: str, host: Host, limits: Limits) -> t.Iterator[Problem]:
    needed = max((limits.memory_mib.get(group, 0) for group in host.groups), default=0)
    if host.facts["memory_mib"] < needed:
        yield Problem(name, f"{host.facts['memory_mib']} MiB of memory", f"{needed} MiB or more for {' and '.join(host.groups)}")
    for directory, least in limits.disk_mib.items():
        disk = host.facts["disks"].get(directory)
        if disk and disk["free_mib"] < least:
            yield Problem(name, f"{disk['free_mib']} MiB free in {directory}", f"{least} MiB or more")
        if disk and disk["restrictions"]:
            yield Problem(name, f"{directory} mounted {','.join(disk['restrictions'])}", "a file system that is writable and from which programs run")


def _room_for_pods(name: str, host: Host, limits: Limits) -> t.Iterator[Problem]:
    """Check that a kubelet would take pods. One that runs frees space by itself, and health reports one that cannot."""
    disk = host.facts["disks"].get("/var/lib")
    if not disk or "worker" not in host.groups or host.facts["cluster_networks"]:
        return
    if 100 * disk["free_mib"] < limits.worker_free_percent * disk["total_mib"]:
        free = 100 * disk["free_mib"] // disk["total_mib"]
        expected = f"{limits.worker_free_percent} % or more, since its kubelet takes no pods with less (preflight_worker_free_percent)"
        yield Problem(name, f"{free} % free in the file system with /var/lib", expected)


def _kernel(name: str, host: Host) -> t.Iterator[Problem]:
    for feature in dict.fromkeys(feature for group in host.groups for feature in _FEATURES.get(group, ())):
        if host.facts["kernel_features"].get(feature) == "missing":
            yield Problem(name, f"kernel {host.facts['kernel']} without {feature}", f"{feature}, built in or as a loadable module")


def _ports(name: str, host: Host, units: t.Collection[str]) -> t.Iterator[Problem]:
    """Check that each port is free or used by a unit of the collection; by any, because a host may change its component."""
    for listener in host.facts["listeners"]:
        claims = [port for port in host.ports if _clash(port, listener) and not _is_passing(port, listener, host.facts["ephemeral_ports"])]
        if claims and not _is_ours(listener, claims, host.facts["interfaces"], units):
            wanted = " and ".join(dict.fromkeys(port.component for port in claims))
            yield Problem(name, f"port {listener['port']}/{listener['protocol']} used by {_owner(listener)}", f"a free port, or {wanted}")


def _clash(port: Port, listener: Facts) -> bool:
    """Tell whether the two exclude each other. They do not on different addresses."""
    if port.protocol != listener["protocol"] or not port.first <= listener["port"] <= port.last:
        return False
    everywhere = ipaddress.ip_address(listener["address"]).is_unspecified
    return everywhere or not port.address or port.address == listener["address"]


def _is_passing(port: Port, listener: Facts, ephemeral: t.Sequence[int]) -> bool:
    """Tell whether the port may be one that the kernel gave to a client for the time of a request: UDP shows no difference.

    kube-proxy reserves the range and opens no socket in it.
    """
    return port.first < port.last and listener["protocol"] == "udp" and len(ephemeral) == 2 and ephemeral[0] <= listener["port"] <= ephemeral[1]


def _is_ours(listener: Facts, claims: t.Iterable[Port], interfaces: t.Collection[str], units: t.Collection[str]) -> bool:
    if not listener["pid"] and not listener["unit"]:  # the kernel itself listens
        return any(port.interface and port.interface in interfaces for port in claims)
    unit = listener["unit"].rpartition(".")[0]
    return any(fnmatch.fnmatchcase(unit, pattern) for pattern in units)


def _owner(listener: Facts) -> str:
    if not listener["pid"]:
        return "the kernel or a process of another user"
    return f"{listener['process']} ({listener['unit'] or 'no unit'}, process {listener['pid']})"


def _networks(name: str, host: Host) -> t.Iterator[Problem]:
    """Check that the networks of the host and of the cluster do not overlap."""
    for variable, cidr in host.networks.items():
        for route in host.facts["networks"]:
            ours = any(fnmatch.fnmatchcase(route["interface"], pattern) for pattern in _OUR_INTERFACES)
            if not ours and ipaddress.ip_network(route["network"]).overlaps(ipaddress.ip_network(cidr)):
                yield Problem(name, f"network {route['network']} on {route['interface']}, which overlaps {variable} {cidr}", "networks that do not overlap")


def check_controller(source: str | None, values: Facts) -> t.Iterator[Problem]:
    """Check that the firewall does not lock out a controller that runs in a pod, given its source address on the way to the hosts."""
    if source is None or not boolean(values["cluster_firewall"]):
        return
    address = ipaddress.ip_address(source)
    allowed = any(address in ipaddress.ip_network(network) for network in values["cluster_firewall_ssh_pods"])
    if address in ipaddress.ip_network(values["cluster_pod_cidr"]) and not allowed:
        expected = "the address or network of the controller's pod, because the firewall closes SSH to pods"
        yield Problem("cluster_firewall_ssh_pods", f"nothing for {source}, the address of this controller in cluster_pod_cidr", expected)


def check_limit(hosts: t.Mapping[str, Facts], left_out: t.Sequence[str], values: Facts) -> t.Iterator[Problem]:
    """Check that a host joins in a run that reaches all hosts of the cluster, whose firewalls must learn its address. A new host has no CA yet."""
    if not left_out or not boolean(values["cluster_firewall"]):
        return
    others = f" and {len(left_out) - 1} more" if len(left_out) > 1 else ""
    for name, facts in hosts.items():
        if "error" not in facts and not facts["authorities"]:
            expected = "a run for all hosts, because their firewalls must learn the address of the new host"
            yield Problem(name, f"a new host in a run that leaves out {left_out[0]}{others}", expected)


def _name_servers(name: str, host: Host) -> t.Iterator[Problem]:
    """Check that the resolver can use one of the name servers and, on a worker, pods as well. Without any, only the cluster's names resolve."""
    addresses = [ipaddress.ip_address(server) for server in host.name_servers]
    used_by_pods = host.pods_use_them and "worker" in host.groups
    if addresses and not any(address.version == 4 and not (used_by_pods and address.is_loopback) for address in addresses):
        found = f"only the name server{'s' if len(addresses) > 1 else ''} {', '.join(host.name_servers)}"
        if used_by_pods:
            yield Problem(name, found, "one that pods reach, an IPv4 address that is not loopback: set dns_upstreams, or addons_resolvers for pods only")
        else:
            yield Problem(name, found, "one with an IPv4 address: set dns_upstreams")


def check_founding(members: t.Sized) -> t.Iterator[Problem]:
    """Check that etcd starts with an odd number of members. A running cluster may have an even one, while a host is replaced; health warns of it."""
    if members and len(members) % 2 == 0:
        expected = "an odd number: one more member than an odd number survives no more failures"
        yield Problem("group etcd", f"{len(members)} hosts", expected)


def check_living(hosts: t.Mapping[str, Host], members: t.Mapping[str, str] | None) -> t.Iterator[Problem]:
    """Check that the inventory describes the cluster that runs on the hosts. The members are all hosts of group etcd, with their addresses, if known.

    A problem that most hosts report is the cluster's, and stops the run. One that a few report is theirs, since a host may lie.
    """
    known = {name: host for name, host in hosts.items() if "error" not in host.facts}
    for variable in _LASTING:
        used = {name: host.facts["cluster_networks"][variable] for name, host in known.items() if variable in host.facts["cluster_networks"]}
        wanted = {name: known[name].networks[variable] for name in used}
        differing = [name for name in used if ipaddress.ip_network(used[name]) != ipaddress.ip_network(wanted[name])]
        changed = {name: f"{wanted[name]}, but the cluster has {used[name]}" for name in differing}
        yield from _reported(variable, changed, len(used), "the cluster's network: it cannot change, because hosts, pods and Services have its addresses")
    if members is None:
        return
    told = {name: list(strangers(host.facts["etcd_members"], members)) for name, host in known.items() if host.facts["etcd_members"] is not None}
    unknown = {name: f"etcd members that it does not have: {', '.join(names)}" for name, names in told.items() if names}
    yield from _reported("group etcd", unknown, len(told), "all members in the group: add the hosts, or remove the members by remove.yml (docs/operations.md)")


def unknown_routes(hosts: t.Mapping[str, Host], addresses: t.Collection[str]) -> t.Iterator[str]:
    """Yield as text the hosts of the overlay network that the inventory does not have. They do no harm to a run, so they do not stop it.

    Backends of HAProxy are not among them, because the run itself replaces them.
    """
    reporters: dict[str, list[str]] = {}
    for name, host in hosts.items():
        for address in host.facts["routes"]["overlay"] if "error" not in host.facts else ():
            if address not in addresses:
                reporters.setdefault(address, []).append(name)
    for address, names in sorted(reporters.items()):
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield f"{names[0]}{others}: found a route of the overlay network to {address}, expected hosts of the inventory: run remove.yml -e remove={address}"


def _reported(subject: str, found: t.Mapping[str, str], asked: int, expected: str) -> t.Iterator[Problem]:
    """Yield one problem if most of the hosts that were asked report it, and one for each host otherwise."""
    for text, times in Counter(found.values()).items():
        if 2 * times > asked:
            yield Problem(subject, text, expected)
        else:
            yield from (Problem(name, f"{subject} {text}", expected) for name, its_text in found.items() if its_text == text)


def check_clocks(facts: t.Mapping[str, Facts], limits: Limits) -> t.Iterator[Problem]:
    """Compare the clocks of the hosts and of the controller.

    The offset of a host is known only as an interval. The true time is where most intervals overlap, and a clock is wrong if even the
    nearer bound of its interval is too far from it.
    """
    clocks = {**{name: its["clock_offset"] for name, its in facts.items() if "clock_offset" in its}, "controller": (0.0, 0.0)}
    bounds = sorted({bound for interval in clocks.values() for bound in interval}, key=abs)
    true = max(bounds, key=lambda bound: sum(low <= bound <= high for low, high in clocks.values()))
    for name, (low, high) in clocks.items():
        distance = max(low - true, true - high)
        if distance > limits.clock_skew:
            yield Problem(name, f"a clock {distance:.1f} s {'ahead of' if low > true else 'behind'} the others", f"{limits.clock_skew:g} s or less")

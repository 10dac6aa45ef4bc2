# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every rule of the hosts, broken once."""

from __future__ import annotations

import dataclasses
import pathlib

import pytest
import yaml
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog.ports import ports_of
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.hosts import (
    Host, Limits, check_clocks, check_controller, check_founding, check_hosts, check_limit, check_living, unknown_routes,
)  # fmt: skip

ROOT = pathlib.Path(__file__).parents[5]
CATALOG = yaml.safe_load((ROOT / "catalog/ports.yml").read_text())["ports"]
UNITS = {entry["unit"] for entry in CATALOG}
LIMITS = Limits({"debian": ["12"], "ubuntu": ["24.04"]}, {"worker": 900, "etcd": 450}, {"/opt": 1024}, 15, 2.0)
FACTS = {
    "user": "root",
    "euid": 0,
    "python_version": "3.11.2",
    "operating_system": "debian",
    "operating_system_version": "12",
    "kernel": "6.1.0",
    "architecture": "amd64",
    "init": "systemd",
    "systemd_version": 252,
    "memory_mib": 2000,
    "disks": {"/opt": {"total_mib": 9000, "free_mib": 5000, "restrictions": []}},
    "kernel_features": {"overlay": "present", "br_netfilter": "loadable", "vxlan": "loadable", "nftables": "present"},
    "interfaces": ["eth0", "lo"],
    "networks": [{"interface": "eth0", "network": "10.30.0.0/24"}],
    "addresses": ["10.30.0.9", "2001:db8::9"],
    "ephemeral_ports": [32768, 60999],
    "cluster_networks": {},
    "etcd_members": None,
    "routes": {"overlay": [], "backends": []},
    "listeners": [],
    "clock_offset": [-0.4, 0.2],
}


NETWORKS = {"cluster_pod_cidr": "10.200.0.0/16", "cluster_service_cidr": "10.100.200.0/24"}


def host(group="worker", address="10.30.0.9", **facts):
    """Return a host that keeps all rules, but for what is given."""
    return Host({**FACTS, **facts}, [group], ports_of(CATALOG, [group], {"cluster_api_port": 443}), NETWORKS, address)


def listener(port, protocol="tcp", address="0.0.0.0", pid=7, process="nginx", unit="nginx.service"):
    """Return one listener of the facts."""
    return {"port": port, "protocol": protocol, "address": address, "pid": pid, "process": process, "unit": unit}


def check(**hosts):
    """Return the problems as (host, found) pairs."""
    problems = [*check_hosts(hosts, LIMITS, UNITS), *check_clocks({name: host.facts for name, host in hosts.items()}, LIMITS)]
    return [(problem.subject, problem.found) for problem in problems]


@pytest.mark.parametrize("group", ["etcd", "master", "worker", "proxy"])
def test_right_host_has_no_problem(group):
    assert check(h=host(group)) == []


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"error": "unreachable: no route to host"}, "unreachable: no route to host"),
        ({"euid": 1000, "user": "admin"}, "user admin"),
        ({"python_version": "3.8.19"}, "Python 3.8.19"),
        ({"operating_system_version": "10"}, "operating system debian 10"),
        ({"operating_system": "plan9", "operating_system_version": ""}, "operating system plan9"),
        ({"architecture": "riscv64"}, "architecture riscv64"),
        ({"init": "sh"}, "sh as process 1"),
        ({"systemd_version": 219}, "systemd 219"),
        ({"memory_mib": 512}, "512 MiB of memory"),
        ({"disks": {"/opt": {"total_mib": 1000, "free_mib": 10, "restrictions": []}}}, "10 MiB free in /opt"),
        ({"disks": {"/var/lib": {"total_mib": 9000, "free_mib": 1300, "restrictions": []}}}, "14 % free in the file system with /var/lib"),
        ({"disks": {"/opt": {"total_mib": 9000, "free_mib": 5000, "restrictions": ["ro", "noexec"]}}}, "/opt mounted ro,noexec"),
        ({"kernel_features": {"overlay": "missing"}}, "kernel 6.1.0 without overlay"),
        ({"kernel_features": {"br_netfilter": "missing"}}, "kernel 6.1.0 without br_netfilter"),
        ({"kernel_features": {"vxlan": "missing"}}, "kernel 6.1.0 without vxlan"),
        ({"kernel_features": {"nftables": "missing"}}, "kernel 6.1.0 without nftables"),
        ({"networks": [{"interface": "eth0", "network": "10.200.0.0/13"}]}, "network 10.200.0.0/13 on eth0, which overlaps cluster_pod_cidr 10.200.0.0/16"),
        ({"clock_offset": [3599.0, 3600.0]}, "a clock 3599.0 s ahead of the others"),
        ({"clock_offset": [-61.0, -60.0]}, "a clock 60.0 s behind the others"),
    ],
)  # fmt: skip
def test_one_host_is_wrong(facts, found):
    (problem,) = check(a=host("etcd"), b=host("worker", **facts), c=host("worker"))
    assert problem == ("b", found)


def test_all_problems_of_all_hosts_are_told():
    assert len(check(a=host(euid=1, architecture="s390x"), b=host("etcd", memory_mib=9))) == 3


@pytest.mark.parametrize(
    ("group", "taken", "found"),
    [
        ("worker", listener(10250), "port 10250/tcp used by nginx (nginx.service, process 7)"),
        ("worker", listener(31000), "port 31000/tcp used by nginx (nginx.service, process 7)"),
        ("worker", listener(31000, "udp"), "port 31000/udp used by nginx (nginx.service, process 7)"),
        ("worker", listener(10250, unit=""), "port 10250/tcp used by nginx (no unit, process 7)"),
        ("worker", listener(8472, "udp", pid=0, unit=""), "port 8472/udp used by the kernel or a process of another user"),
        ("proxy", listener(443), "port 443/tcp used by nginx (nginx.service, process 7)"),
        ("etcd", listener(2379, address="127.0.0.1"), "port 2379/tcp used by nginx (nginx.service, process 7)"),
        ("etcd", listener(53, "udp", unit="dnsmasq.service", process="dnsmasq"), "port 53/udp used by dnsmasq (dnsmasq.service, process 7)"),
    ],
)
def test_port_is_taken(group, taken, found):
    assert check(h=host(group, listeners=[taken])) == [("h", found)]


@pytest.mark.parametrize(
    ("group", "taken", "interfaces"),
    [
        ("worker", listener(10250, unit="kubelet.service", process="kubelet"), ["lo"]),
        ("worker", listener(8472, "udp", pid=0, process="", unit=""), ["flannel.1", "lo"]),
        ("worker", listener(2379), ["lo"]),  # not a worker's port
        ("worker", listener(10250, "udp"), ["lo"]),
        ("worker", listener(40000, "udp"), ["lo"]),
        ("etcd", listener(53, "udp", address="127.0.0.53", unit="systemd-resolved.service"), ["lo"]),
    ],
)
def test_port_is_ours_or_no_matter(group, taken, interfaces):
    assert check(h=host(group, listeners=[taken], interfaces=interfaces)) == []


def test_our_own_networks_are_no_overlap():
    networks = [{"interface": "cni0", "network": "10.200.3.0/24"}, {"interface": "flannel.1", "network": "10.200.4.0/24"}]
    assert check(h=host(networks=networks)) == []


@pytest.mark.parametrize(
    ("group", "servers", "found"),
    [
        ("worker", ["127.0.0.1"], "only the name server 127.0.0.1"),
        ("worker", ["2a02::1", "127.0.0.1"], "only the name servers 2a02::1, 127.0.0.1"),
        ("worker", ["fe80::1%eth0"], "only the name server fe80::1%eth0"),
        ("etcd", ["2a02::1", "fe80::1%eth0"], "only the name servers 2a02::1, fe80::1%eth0"),
        ("etcd", ["127.0.0.1"], None),
        ("worker", ["2a02::1", "10.0.0.2"], None),
        ("worker", ["127.0.0.1", "10.0.0.2"], None),
        ("worker", [], None),
    ],
)
def test_one_name_server_is_of_use(group, servers, found):
    assert check(h=dataclasses.replace(host(group), name_servers=servers)) == ([("h", found)] if found else [])


def test_pods_with_other_name_servers_do_not_need_those_of_the_worker():
    alone = dataclasses.replace(host(), name_servers=["127.0.0.1"], pods_use_them=False)
    assert check(h=alone) == []
    assert check(h=dataclasses.replace(alone, name_servers=["::1"])) == [("h", "only the name server ::1")]


@pytest.mark.parametrize(
    "offsets",
    [
        [(-0.4, 0.1), (-30.0, 0.1), (-0.1, 9.0)],  # answers that took long say little
        [(1.0, 1.4), (-1.4, -0.9)],
        [(0.0, 0.1)],
    ],
)
def test_clocks_that_agree(offsets):
    assert check(**{f"h{number}": host(clock_offset=offset) for number, offset in enumerate(offsets)}) == []


def test_controller_is_wrong():
    wrong = host(clock_offset=[600.0, 600.2])
    assert check(a=wrong, b=wrong) == [("controller", "a clock 600.0 s behind the others")]


def test_catalog_of_ports_is_complete():
    for entry in CATALOG:
        assert {"component", "unit", "port", "protocol", "hosts", "clients", "purpose"} <= entry.keys() <= {
            "component", "unit", "port", "protocol", "hosts", "clients", "purpose", "address", "interface", "name",
        }  # fmt: skip
        assert entry["protocol"] in ("tcp", "udp")
        assert entry["hosts"] and set(entry["hosts"]) <= {"etcd", "master", "worker", "proxy"}
        assert set(entry["clients"]) <= {"etcd", "master", "worker", "proxy", "pods", "users", "director", "load balancer", "routers"}
        assert entry["purpose"]


def test_ports_of_variables():
    variables = {"cluster_api_port": 443, "proxy_listeners": [{"name": "web", "port": 80, "node_port": 30080}, {"name": "tls", "port": 444}]}
    ports = [str(port) for port in ports_of(CATALOG, ["proxy"], variables)]
    assert {"443/tcp", "80/tcp", "444/tcp", "30000-32767/udp", "8472/udp"} <= set(ports)
    assert "2379/tcp" not in ports


def test_what_only_root_sees_is_not_judged_for_others():
    blind = host(euid=1000, user="joe", listeners=[listener(10250, pid=0, unit="")], kernel_features={"nftables": "missing"})
    assert check(h=blind) == [("h", "user joe")]


@pytest.mark.parametrize(
    ("source", "values", "problems"),
    [
        ("10.200.7.5", {}, 1),
        ("10.200.7.5", {"cluster_firewall_ssh_pods": ["10.200.7.0/24"]}, 0),
        ("10.200.7.5", {"cluster_firewall": False}, 0),
        ("192.0.2.10", {}, 0),
        (None, {}, 0),
    ],
)
def test_a_controller_in_a_pod_needs_permission_for_ssh(source, values, problems):
    found = list(check_controller(source, {"cluster_firewall": True, "cluster_firewall_ssh_pods": [], "cluster_pod_cidr": "10.200.0.0/16", **values}))
    assert [(problem.subject, "10.200.7.5" in problem.found) for problem in found] == [("cluster_firewall_ssh_pods", True)] * problems


@pytest.mark.parametrize(
    ("facts", "left_out", "firewall", "found"),
    [
        ({"authorities": {}}, ["etcd-0", "etcd-1"], True, ["a new host in a run that leaves out etcd-0 and 1 more"]),
        ({"authorities": {}}, [], True, []),
        ({"authorities": {}}, ["etcd-0"], False, []),
        ({"authorities": {"/etc/kubernetes/pki/ca.crt": ["ab"]}}, ["etcd-0"], True, []),
        ({"authorities": {}}, ["worker-0"], True, ["a new host in a run that leaves out worker-0"]),
        ({"error": "no route to host"}, ["etcd-0"], True, []),
    ],
)
def test_a_new_host_needs_a_run_that_reaches_the_firewalls_of_all_hosts(facts, left_out, firewall, found):
    assert [problem.found for problem in check_limit({"worker-3": facts}, left_out, {"cluster_firewall": firewall})] == found


@pytest.mark.parametrize(
    ("taken", "problems"),
    [
        (listener(31234, "udp", process="rsyslogd"), 0),  # a client's, for the time of a request
        (listener(31234, process="nginx"), 1),  # a listener of TCP stays
        (listener(53, "udp", process="dnsmasq"), 1),  # of no range, so the kernel did not choose it
    ],
)
def test_a_port_that_the_kernel_chose_is_no_conflict(taken, problems):
    assert len(check(h=host(listeners=[taken], ephemeral_ports=[50, 65535]))) == problems


def test_an_address_that_no_interface_has():
    found = check(h=host(address="203.0.113.4"), unknown=host(address="203.0.113.4", addresses=[]))
    assert found == [("h", "cluster_host_address 203.0.113.4 on none of its interfaces")]
    assert check(h=host(address="203.0.113.4", addresses=[f"10.1.0.{number}" for number in range(64)])) == []


def test_two_hosts_with_swapped_addresses():
    assert check(a=host(address="10.30.0.2", addresses=["10.30.0.1"]), b=host(address="10.30.0.1", addresses=["10.30.0.2"])) == [
        ("a", "cluster_host_address 10.30.0.2 on none of its interfaces, and on one of b"),
        ("b", "cluster_host_address 10.30.0.1 on none of its interfaces, and on one of a"),
    ]


def living(members=None, **hosts):
    """Return the problems of a running cluster as (subject, found) pairs."""
    return [(problem.subject, problem.found) for problem in check_living(hosts, {"e0": "10.30.0.9"} if members is None else members)]


def test_networks_of_a_running_cluster_do_not_change():
    same = {"cluster_pod_cidr": "10.200.0.0/16"}
    other = {"cluster_pod_cidr": "10.201.0.0/16"}
    service = {"cluster_service_cidr": "10.100.0.0/16"}
    down = Host({"error": "unreachable"}, ["worker"], [], NETWORKS, "10.30.0.9")
    assert living(m0=host("master", cluster_networks=same), w0=host(cluster_networks=same), w1=host(), d=down) == []
    # Most hosts: the inventory was changed. The run stops.
    assert living(w0=host(cluster_networks=other), w1=host(cluster_networks=other), w2=host(cluster_networks=same)) == [
        ("cluster_pod_cidr", "10.200.0.0/16, but the cluster has 10.201.0.0/16")
    ]
    assert living(m0=host("master", cluster_networks=service)) == [("cluster_service_cidr", "10.100.200.0/24, but the cluster has 10.100.0.0/16")]
    # One of them: it is wrong, or lies. The others go on.
    assert living(w0=host(cluster_networks=other), w1=host(cluster_networks=same)) == [
        ("w0", "cluster_pod_cidr 10.200.0.0/16, but the cluster has 10.201.0.0/16")
    ]


def member(name, address, identity="8e9e"):
    return {"id": identity, "name": name, "peer_urls": [f"https://{address}:2380"], "learner": False}


def test_members_of_etcd_that_the_inventory_does_not_have():
    known = {"e0": "10.30.0.10", "e1": "10.30.0.11"}
    ours = [member("e0", "10.30.0.10"), member("", "10.30.0.11"), member("former-name", "10.30.0.10")]
    assert living(known, e0=host("etcd", etcd_members=ours), e1=host("etcd"), w0=host()) == []
    more = [*ours, member("e2", "10.30.0.12"), member("", "10.30.0.13", "f00")]
    found = "etcd members that it does not have: e2 (10.30.0.12), f00 (10.30.0.13)"
    assert living(known, e0=host("etcd", etcd_members=more), e1=host("etcd", etcd_members=more)) == [("group etcd", found)]
    assert list(check_living({"e0": host("etcd", etcd_members=more)}, None)) == []  # a slice of an inventory
    assert living(known, e0=host("etcd", etcd_members=more), e1=host("etcd", etcd_members=ours)) == [("e0", f"group etcd {found}")]


@pytest.mark.parametrize(("members", "problems"), [([], 0), (["e0"], 0), (["e0", "e1"], 1), (["e0", "e1", "e2"], 0)])
def test_etcd_is_founded_with_an_odd_number_of_members(members, problems):
    """A running one may have an even number, while a host is replaced."""
    assert len(list(check_founding(members))) == problems


def test_routes_to_unknown_hosts_are_warnings():
    hosts = {name: host(routes={"overlay": ["10.30.0.22", "10.30.0.99"], "backends": ["10.30.0.98"]}) for name in ("w0", "w1")}
    hosts["w2"] = dataclasses.replace(host(), facts={"error": "unreachable"})
    (warning,) = unknown_routes(hosts, ["10.30.0.22"])
    assert warning == (
        "w0 and 1 more: found a route of the overlay network to 10.30.0.99, expected hosts of the inventory: run remove.yml -e remove=10.30.0.99"
    )

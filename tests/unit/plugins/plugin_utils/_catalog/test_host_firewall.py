# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of a host's firewall, from the real list of ports."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog.host_firewall import Host, Settings, source_addresses, table
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog.ports import port_catalog

PODS, SERVICES = "10.200.0.0/16", "10.100.200.0/24"
HOSTS = {
    "etcd-0": Host(["etcd"], ["10.0.0.61", "2001:db8::61"]),
    "master-0": Host(["master"], ["10.0.0.11"], 2222),
    "worker-0": Host(["worker"], ["10.0.0.21", "10.1.0.21"]),
    "proxy-0": Host(["proxy"], ["10.0.0.91"]),
}


def render(name, hosts=None, **settings):
    """Return the lines of a host's table."""
    return [line.strip() for line in table(port_catalog(), name, hosts or HOSTS, Settings(**{"enabled": True, "pods": PODS, **settings})).splitlines()]


def elements(lines, name):
    """Return the elements of a set."""
    rest = lines[lines.index(f"set {name} {{") :]
    inside = rest[: rest.index("}")]
    return {line.rstrip(",") for line in inside[inside.index("elements = {") + 1 :]} if "elements = {" in inside else set()


def chain(lines, name):
    """Return the rules of a chain."""
    rest = lines[lines.index(f"chain {name} {{") + 1 :]
    return rest[: rest.index("}")]


def closed(lines):
    return [line for line in chain(lines, "input") if line.endswith(" drop")]


@pytest.mark.parametrize(
    ("name", "ports"),
    [
        ("etcd-0", ["tcp dport 2379 drop", "tcp dport 2380 drop"]),
        ("master-0", ["udp dport 8472 drop"]),
        ("worker-0", ["tcp dport 10250 drop", "udp dport 8472 drop"]),
        ("proxy-0", ["udp dport 8472 drop"]),
    ],
)
def test_only_ports_of_hosts_and_pods_are_closed(name, ports):
    assert closed(render(name)) == ports


def test_a_port_takes_packets_from_its_clients_and_further_sources():
    lines = render("etcd-0", sources=["192.0.2.0/24", "2001:db8:1::1"])
    assert elements(lines, "tcp_2380_v4") == {"10.0.0.61", "192.0.2.0/24"}
    assert elements(lines, "tcp_2380_v6") == {"2001:db8::61", "2001:db8:1::1"}
    assert elements(lines, "tcp_2379_v4") == {"10.0.0.61", "10.0.0.11", "10.0.0.21", "10.1.0.21", "10.0.0.91", "192.0.2.0/24"}
    assert chain(lines, "input")[1] == 'iifname "lo" accept'


def test_pods_reach_kubelet_on_every_way():
    rules = chain(render("worker-0"), "input")
    assert [rule for rule in rules if rule.endswith("10250 accept")] == ['iifname "cni0" tcp dport 10250 accept', 'iifname "flannel.1" tcp dport 10250 accept']


@pytest.mark.parametrize("name", ["master-0", "worker-0", "proxy-0"])
def test_pods_reach_neither_ssh_nor_ports_of_hosts(name):
    lines = render(name)
    assert {"10.0.0.11 . tcp . 2222", "10.0.0.61 . tcp . 22", "10.1.0.21 . tcp . 22"} <= elements(lines, "ssh_v4")
    assert {"10.0.0.61 . tcp . 2379", "10.0.0.61 . tcp . 2380", "10.1.0.21 . udp . 8472"} <= elements(lines, "closed_v4")
    assert {"2001:db8::61 . tcp . 2379"} <= elements(lines, "closed_v6")
    for hook, target in (("input", "own_ports_for_pods"), ("forward", "hosts_ports_for_pods")):
        jumps = {rule for rule in chain(lines, hook) if rule.endswith(target)}
        assert {f'iifname "cni0" jump {target}', f'iifname "flannel.1" jump {target}', f"ip saddr {PODS} jump {target}"} <= jumps
        assert f"meta l4proto tcp ct status dnat ct original proto-dst 30000-32767 jump {target}" in jumps
    assert f"tcp dport {HOSTS[name].ssh_port} drop" in chain(lines, "own_ports_for_pods")


def test_hosts_without_pods_have_no_rules_for_them():
    assert not [line for line in render("etcd-0") if "cni0" in line or "forward" in line or " 22 " in line]


def test_named_pods_may_use_ssh():
    lines = render("worker-0", ssh_pods=["10.200.3.0/24"])
    assert elements(lines, "ssh_pods_v4") == {"10.200.3.0/24"}
    assert chain(lines, "own_ports_for_pods")[0] == "ip saddr @ssh_pods_v4 tcp dport 22 accept"


def test_a_disabled_firewall_only_removes_the_table():
    assert [line for line in render("worker-0", enabled=False) if not line.startswith("#")] == ["table inet cfcr", "delete table inet cfcr"]


def test_the_order_of_hosts_does_not_matter():
    assert render("worker-0", dict(reversed(HOSTS.items()))) == render("worker-0")


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ([], ["10.0.0.21"]),
        (["10.1.0.21", "10.0.0.21", "2001:db8::21"], ["10.0.0.21", "10.1.0.21", "2001:db8::21"]),
        (["10.0.0.61"], ["10.0.0.21"]),  # of another host
        (["10.200.1.1", "10.100.200.1"], ["10.0.0.21"]),  # of pods and of Services
    ],
)
def test_a_host_claims_no_address_of_others(reported, expected):
    assert source_addresses("10.0.0.21", reported, [PODS, SERVICES], {"10.0.0.61"}) == expected

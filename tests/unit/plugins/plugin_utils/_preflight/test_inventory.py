# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every rule of the inventory, broken once."""

from __future__ import annotations

import pathlib

import pytest
import yaml
from ansible.errors import AnsibleUndefinedVariable
from ansible.parsing.dataloader import DataLoader
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight import inventory as rules
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.contract import Contract
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.inventory import Inventory, check_inventory, check_names, check_values
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.problems import Problem

ROOT = pathlib.Path(__file__).parents[5]
PORTS = yaml.safe_load((ROOT / "catalog/ports.yml").read_text())["ports"]


def options(role):
    """Return the argument specs of a role."""
    specs = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())["argument_specs"]
    return {name: option for entry in specs.values() for name, option in entry["options"].items()}


OPTIONS = options("cluster")
GROUPS = {"master": ["m0", "m1"], "worker": ["w0", "w1", "w2"], "etcd": ["e0", "e1", "e2"], "proxy": ["p0"]}
HOSTS = [host for hosts in GROUPS.values() for host in hosts]
VALUES = {
    "cluster_name": "cfcr",
    "cluster_topology": "proxy",
    "cluster_kubernetes_version": "1.36",
    "cluster_api_host": "api.example.com",
    "cluster_api_port": 8443,
    "cluster_api_alternative_names": [],
    "cluster_service_cidr": "10.100.200.0/24",
    "cluster_dns_address": "10.100.200.10",
    "cluster_pod_cidr": "10.200.0.0/16",
    "cluster_firewall": True,
    "cluster_domain": "cluster.local",
    "cluster_internal_domain": "cfcr.internal",
    "cluster_director": "localhost",
    "cluster_store_directory": "/var/lib/cfcr/cfcr",
    "cluster_certificate_days": 365,
    "cluster_certificate_renew_before_days": 60,
    "cluster_authority_days": 3650,
    "cluster_artifact_source": "upstream",
    "cluster_artifact_mirror": "",
    "cluster_artifact_checksums": {},
    "proxy_listeners": [{"name": "https", "port": 443, "node_port": 30443}],
}


def inventory(groups=None, everywhere=None, hosts=None, **fields):
    """Return nine hosts that keep all rules, but for what is given."""
    groups = {**GROUPS, **(groups or {})}
    named = dict.fromkeys(host for its_hosts in groups.values() for host in its_hosts)
    values = {
        host: {**VALUES, "cluster_host_address": f"10.30.0.{number}", **(everywhere or {}), **(hosts or {}).get(host, {})}
        for number, host in enumerate(named, 10)
    }
    return Inventory(groups, values, **{"versions": ["1.35", "1.36"], "ports": PORTS, **fields})


def test_nine_hosts_have_no_problem():
    assert check_inventory(inventory()) == []


@pytest.mark.parametrize("groups", [{"etcd": ["e0"]}, {"etcd": ["e0", "e1", "e2", "e3", "e4"]}, {"director": ["d"]}, {"ignored": ["w1"]}])
def test_other_sizes_that_are_right(groups):
    assert check_inventory(inventory(groups)) == []


@pytest.mark.parametrize(
    "values",
    [
        {"cluster_name": "a" * 52},
        {"worker_reserved": {"kube": {"cpu": "100m", "memory": "1.5Gi", "ephemeral-storage": None, "pid": "1000"}, "system": None}},
        {"worker_sysctls": {"fs.inotify.max_user_instances": 16384, "net.ipv4.tcp_rmem": "4096 131072 6291456"}},
        {"etcd_quota_mib": 8192},
        {"cluster_api_host": "10.30.0.99", "cluster_api_alternative_names": ["2001:db8::10", "api.example.com"]},
        {"cluster_artifact_source": "build", "cluster_artifact_mirror": "http://[2001:db8::10]:8080/artifacts"},
        {"addons_resolvers": ["/etc/resolv.conf", "10.0.0.2:5353", "tls://9.9.9.9"]},
    ],
)
def test_other_values_that_are_right(values):
    assert check_inventory(inventory(everywhere=values)) == []


def test_address_of_a_host_is_of_ipv4():
    (problem,) = check_inventory(inventory(hosts={"w1": {"cluster_host_address": "2001:db8::21"}}))
    assert (problem.subject, problem.found) == ("w1: cluster_host_address", "2001:db8::21")
    assert "an IPv4 address" in problem.expected


@pytest.mark.parametrize(
    ("groups", "subject", "found"),
    [
        ({"etcd": []}, "group etcd", "no hosts"),
        ({"master": []}, "group master", "no hosts"),
        ({"worker": []}, "group worker", "no hosts"),
        ({"proxy": []}, "group proxy", "no hosts"),
        ({"director": ["d0", "d1"]}, "group director", "2 hosts"),
        ({"proxy": ["w0"]}, "w0", "groups worker and proxy"),
        ({"etcd": ["m0", "m1", "e2"]}, "m0", "groups etcd and master"),
        ({"director": ["m1"]}, "m1", "groups master and director"),
        ({"ignored": ["w9"]}, "w9", "only group ignored"),
    ],
)
def test_groups(groups, subject, found):
    assert (subject, found) in [(problem.subject, problem.found) for problem in check_inventory(inventory(groups))]


def test_what_the_director_compiles_has_checksums_once_it_is_compiled():
    assert check_inventory(inventory(everywhere={"cluster_artifact_source": "build", "cluster_artifact_mirror": "http://mirror.example"})) == []


def test_group_with_another_name_is_suggested():
    (problem,) = check_inventory(inventory({"worker": [], "workers": ["w0"], "ungrouped": []}))
    assert problem == Problem("group worker", "no hosts", "at least one host; is workers meant?")


BALANCED = {"cluster_topology": "iaas_lb", "cluster_api_host": "10.30.0.5", "proxy_listeners": []}


@pytest.mark.parametrize(
    ("groups", "values"),
    [
        ({}, {}),
        ({}, {"cluster_api_host": "api.example.com", "cluster_api_port": 443}),
        ({"master": ["m0"]}, {"cluster_api_host": "10.30.0.10"}),  # the only master's own static address
    ],
)
def test_load_balancer_takes_the_place_of_the_proxy(groups, values):
    assert check_inventory(inventory({"proxy": [], **groups}, {**BALANCED, **values})) == []


@pytest.mark.parametrize(
    ("groups", "values", "subject", "found", "expected"),
    [
        ({"proxy": ["p0"]}, {}, "group proxy", "p0", "no hosts"),
        ({"worker": []}, {}, "group worker", "no hosts", "one host"),
        ({}, {"cluster_api_host": "10.30.0.10"}, "cluster_api_host", "10.30.0.10, which is m0", "the load balancer's static address"),
        ({"master": ["m0"]}, {"cluster_api_host": "10.30.0.10", "cluster_api_port": 443}, "cluster_api_host", "10.30.0.10, which is m0", "static"),
        ({}, {"cluster_api_host": "w0"}, "cluster_api_host", "w0, which is w0", "the load balancer's static address"),
        ({}, {"cluster_api_host": "10.100.200.5"}, "cluster_api_host", "10.100.200.5", "outside cluster_service_cidr"),
        ({}, {"cluster_api_host": "10.200.0.5"}, "cluster_api_host", "10.200.0.5", "outside cluster_pod_cidr"),
        ({}, {"proxy_listeners": [{"name": "a", "port": 80, "node_port": 30080}]}, "proxy_listeners", "listeners", "iaas_worker_listeners"),
    ],
)
def test_what_a_load_balancer_cannot_have(groups, values, subject, found, expected):
    (problem,) = check_inventory(inventory({"proxy": [], **groups}, {**BALANCED, **values}))
    assert (problem.subject, problem.found) == (subject, found)
    assert expected in problem.expected


def test_topology_that_is_not_known_needs_what_all_need():
    hosts = {host: {"cluster_host_address": f"10.30.0.{number}"} for number, host in enumerate(HOSTS)}
    assert check_inventory(Inventory({**GROUPS, "proxy": []}, hosts)) == []


def test_slice_is_not_counted():
    assert check_inventory(inventory({"etcd": ["e0", "e1"], "proxy": [], "master": []}, {"cluster_firewall": False}, whole=False)) == []


def test_slice_has_no_firewall_which_would_close_the_ports_to_other_hosts():
    (problem,) = check_inventory(inventory({"etcd": ["e0", "e1"]}, whole=False))
    assert (problem.subject, problem.found) == ("preflight_whole_inventory", "false")


@pytest.mark.parametrize(
    ("values", "subject", "found", "expected"),
    [
        ({"cluster_api_host": ""}, "cluster_api_host", "nothing", "DNS name or IPv4 address"),
        ({"cluster_api_host": "api_host"}, "cluster_api_host", "api_host", "DNS name or IPv4 address"),
        ({"cluster_api_host": "10.0.0.256"}, "cluster_api_host", "10.0.0.256", "DNS name or IPv4 address"),
        ({"cluster_api_host": "https://api.example.com"}, "cluster_api_host", "https://api.example.com", "DNS name or IPv4 address"),
        # Every server listens on IPv4, and an IPv6 address would need brackets in a URL.
        ({"cluster_api_host": "2001:db8::10"}, "cluster_api_host", "2001:db8::10", "IPv4 address"),
        ({"cluster_api_host": "[2001:db8::10]"}, "cluster_api_host", "[2001:db8::10]", "IPv4 address"),
        ({"cluster_dns_address": "fd00::10"}, "cluster_dns_address", "fd00::10", "an IPv4 address"),
        ({"cluster_artifact_source": "build", "cluster_artifact_mirror": "http://2001:db8::10/"}, "cluster_artifact_mirror", "http://2001:db8::10/", "a URL"),
        ({"addons_resolvers": ["/etc/resolv.conf", "2001:db8::53"]}, "addons_resolvers", "2001:db8::53", "IPv4 addresses"),
        ({"cluster_api_port": 0}, "cluster_api_port", "0", "1 to 65535"),
        ({"cluster_api_port": 65536}, "cluster_api_port", "65536", "1 to 65535"),
        ({"cluster_api_alternative_names": ["a.example", "a b"]}, "cluster_api_alternative_names", "a b", "DNS names"),
        ({"cluster_api_port": 8404}, "cluster_api_port", "port 8404 for the API, which haproxy uses", "nothing else"),
        ({"cluster_api_port": 443}, "proxy_listeners", "port 443 for https, which the API uses", "nothing else"),
        ({"dns_upstreams": ["10.0.0.2", "2a02::1"]}, "dns_upstreams", "2a02::1", "IPv4 addresses, without ports"),
        ({"dns_upstreams": ["10.0.0.2:5353"]}, "dns_upstreams", "10.0.0.2:5353", "IPv4 addresses, without ports"),
        ({"cluster_director": "nobody"}, "cluster_director", "nobody", "a host of the inventory"),
        ({"cluster_director": "m0"}, "cluster_director", "m0", "in no other group"),
        ({"cluster_name": "My Cluster"}, "cluster_name", "My Cluster", "lower-case"),
        ({"cluster_name": "a" * 53}, "cluster_name", f"{'a' * 53}, 53 characters", "52 or fewer"),
        ({"cluster_domain": "cluster_local"}, "cluster_domain", "cluster_local", "a DNS domain"),
        ({"cluster_internal_domain": ""}, "cluster_internal_domain", "nothing", "a DNS domain"),
        ({"cluster_internal_domain": "cluster.local"}, "cluster_internal_domain", "cluster.local", "overlap cluster_domain"),
        ({"cluster_internal_domain": "hosts.cluster.local"}, "cluster_internal_domain", "hosts.cluster.local", "overlap cluster_domain"),
        ({"cluster_service_cidr": "10.100.200.0"}, "cluster_dns_address", "10.100.200.10", "10.100.200.0/32"),
        ({"cluster_service_cidr": "10.100.200.1/24"}, "cluster_service_cidr", "10.100.200.1/24", "without host bits"),
        ({"cluster_service_cidr": "10.100.200.0/30"}, "cluster_service_cidr", "10.100.200.0/30", "/12 to /29"),
        ({"cluster_service_cidr": "11.0.0.0/8"}, "cluster_service_cidr", "11.0.0.0/8", "/12 to /29"),
        ({"cluster_service_cidr": "fd00::/108"}, "cluster_service_cidr", "fd00::/108", "an IPv4 network"),
        ({"cluster_pod_cidr": ""}, "cluster_pod_cidr", "nothing", "an IPv4 network"),
        ({"cluster_pod_cidr": "10.96.0.0/12"}, "cluster_pod_cidr", "10.96.0.0/12, which overlaps cluster_service_cidr 10.100.200.0/24", "do not overlap"),
        ({"cluster_pod_cidr": "10.200.0.0/22"}, "cluster_pod_cidr", "10.200.0.0/22, room for 3 hosts", "/21 or larger"),
        ({"cluster_pod_cidr": "10.200.0.0/24"}, "cluster_pod_cidr", "10.200.0.0/24, room for 0 hosts", "/21 or larger"),
        ({"cluster_dns_address": "10.100.201.10"}, "cluster_dns_address", "10.100.201.10", "an address of cluster_service_cidr"),
        ({"cluster_dns_address": "10.100.200.1"}, "cluster_dns_address", "10.100.200.1", "service kubernetes"),
        ({"cluster_dns_address": "10.100.200.255"}, "cluster_dns_address", "10.100.200.255", "neither the first nor the last"),
        ({"cluster_firewall_sources": ["10.0.0.1/8"]}, "cluster_firewall_sources", "10.0.0.1/8", "without host bits"),
        ({"cluster_firewall_ssh_pods": ["pods"]}, "cluster_firewall_ssh_pods", "pods", "addresses and networks"),
        ({"cluster_dns_address": "dns"}, "cluster_dns_address", "dns", "an IPv4 address"),
        ({"worker_reserved": {"kube": {"memory": "1 GiB"}}}, "worker_reserved.kube.memory", "1 GiB", "a quantity"),
        ({"worker_reserved": {"system": {"pid": "many"}}}, "worker_reserved.system.pid", "many", "a whole number"),
        ({"worker_sysctls": {"../../etc/passwd": "1"}}, "worker_sysctls", "../../etc/passwd", "names such as"),
        ({"worker_sysctls": {"net.ipv4.ip_forward": 0}}, "worker_sysctls", "net.ipv4.ip_forward", "other names: role flannel sets it"),
        ({"worker_sysctls": {"vm.swappiness": ""}}, "worker_sysctls.vm.swappiness", "an empty value", "a number or a text"),
        ({"worker_sysctls": {"vm.swappiness": [1]}}, "worker_sysctls.vm.swappiness", "[1]", "a number or a text"),
        ({"etcd_quota_mib": 0}, "etcd_quota_mib", "0", "256 to 8192"),
        ({"etcd_quota_mib": 16384}, "etcd_quota_mib", "16384", "256 to 8192"),
        ({"cluster_certificate_days": 0}, "cluster_certificate_days", "0", "1 or more"),
        ({"cluster_certificate_renew_before_days": 365}, "cluster_certificate_renew_before_days", "365", "less than"),
        ({"cluster_authority_days": 365}, "cluster_authority_days", "365", "more than"),
        ({"cluster_pod_security": {"exempt_namespaces": ["Kube_System"]}}, "cluster_pod_security", "the exempt namespace 'Kube_System'", "lower-case"),
        ({"cluster_pod_security": {"exempt_namespaces": ["a", "a"]}}, "cluster_pod_security", "the exempt namespace a 2 times", "without duplicates"),
        ({"cluster_kubernetes_version": "1.63"}, "cluster_kubernetes_version", "1.63", "1.35, 1.36"),
        ({"cluster_artifact_source": "mirror"}, "cluster_artifact_mirror", "nothing", "a URL"),
        ({"cluster_artifact_source": "build", "cluster_artifact_mirror": "/srv"}, "cluster_artifact_mirror", "/srv", "a URL"),
        (
            {"cluster_artifact_source": "mirror", "cluster_artifact_mirror": "http://mirror.example"},
            "cluster_artifact_checksums", "none", "plain http",
        ),
    ],
)  # fmt: skip
def test_values(values, subject, found, expected):
    problems = check_inventory(inventory(everywhere=values))
    assert any(problem.subject == subject and problem.found == found and expected in problem.expected for problem in problems), problems


def listener(name="web", port=80, node_port=30080):
    return {"name": name, "port": port, "node_port": node_port}


@pytest.mark.parametrize(
    ("listeners", "found", "expected"),
    [
        ([listener("api")], "the name 'api'", "none of api, masters, status"),
        ([listener("my web")], "the name 'my web'", "letters, digits and hyphens"),
        ([listener(), listener(port=81)], "the name web 2 times", "a unique name for each"),
        ([listener(), listener("other")], "port 80 for other, which web uses", "nothing else"),
        ([listener(port=0)], "port 0 of web", "1 to 65535"),
        ([listener(node_port=65536)], "node_port 65536 of web", "1 to 65535"),
        ([listener(port=8443)], "port 8443 for web, which the API uses", "nothing else"),
        ([listener(port=8404)], "port 8404 for web, which haproxy uses", "nothing else"),
        ([listener(port=10256)], "port 10256 for web, which kube-proxy uses", "nothing else"),
        ([listener(port=30443)], "port 30443 for web, which kube-proxy uses", "nothing else"),
    ],
)
def test_listeners(listeners, found, expected):
    (problem,) = check_inventory(inventory(everywhere={"proxy_listeners": listeners}))
    assert (problem.subject, problem.found) == ("proxy_listeners", found) and expected in problem.expected


def test_listener_that_lacks_a_port_is_told_as_such():
    _valid, (problem,) = check_values({"proxy_listeners": [{"name": "web", "node_port": 30080}]}, options("proxy"))
    assert problem == Problem(
        "proxy_listeners", "missing required arguments: port found in proxy_listeners", "a list of dictionaries with name, port, node_port"
    )


def test_where_there_is_no_proxy_the_port_of_the_api_is_a_load_balancers():
    assert check_inventory(inventory({"proxy": []}, {"cluster_api_port": 10250, "cluster_firewall": False}, whole=False)) == []


@pytest.mark.parametrize("hosts", range(1, 40))
def test_network_that_is_asked_for_has_room(hosts):
    workers = [f"w{number}" for number in range(hosts)]
    (problem,) = check_inventory(inventory({"worker": workers, "proxy": ["p0"]}, {"cluster_pod_cidr": "10.200.0.0/24"}))
    longest = problem.expected.partition("/")[2].partition(" ")[0]
    assert check_inventory(inventory({"worker": workers}, {"cluster_pod_cidr": f"10.200.0.0/{longest}"})) == []
    assert check_inventory(inventory({"worker": workers}, {"cluster_pod_cidr": f"10.200.0.0/{int(longest) + 1}"})) != []


@pytest.mark.parametrize(
    ("hosts", "subject", "found"),
    [
        ({"w0": {"cluster_host_address": "w0.example"}}, "w0: cluster_host_address", "w0.example"),
        ({"w0": {"cluster_host_address": "127.0.0.1"}}, "w0: cluster_host_address", "127.0.0.1"),
        ({"w0": {"cluster_host_address": "10.200.7.7"}}, "w0: cluster_host_address", "10.200.7.7"),
        ({"w0": {"cluster_host_address": "10.100.200.7"}}, "w0: cluster_host_address", "10.100.200.7"),
        ({"w0": {"cluster_host_address": "10.1.1.1"}, "e0": {"cluster_host_address": "10.1.1.1"}}, "w0 and e0", "one address, 10.1.1.1"),
        ({"w0": {"cluster_domain": "other.local"}}, "cluster_domain", "cluster.local, but other.local (w0)"),
        ({"w0": {"cluster_api_port": -1}}, "cluster_api_port (w0)", "-1"),
    ],
)
def test_values_of_one_host(hosts, subject, found):
    assert (subject, found) in [(problem.subject, problem.found) for problem in check_inventory(inventory(hosts=hosts))]


def test_unknown_names_are_told_once_with_what_was_meant():
    names = {"m0": ["cluster_api_hots", "other"], "w0": ["cluster_api_hots", "cluster_quux", "cluster_name"]}
    assert check_names(names, OPTIONS) == [
        Problem("cluster_api_hots", "an unknown name", "a name that role cluster documents; is cluster_api_host meant?"),
        Problem("cluster_quux (w0)", "an unknown name", "a name that role cluster documents"),
    ]


@pytest.mark.parametrize(
    ("option", "value", "found", "expected"),
    [
        ({"type": "int"}, "many", "'many'", "a whole number"),
        ({"type": "str", "choices": ["a", "b"]}, "c", "'c'", "one of a, b"),
        ({"type": "list", "elements": "str", "choices": ["a", "b"]}, ["a", "c"], "['a', 'c']", "a list of a, b"),
        ({"type": "dict"}, 3, "3", "a dictionary"),
    ],
)
def test_types_and_choices(option, value, found, expected):
    assert check_values({"cluster_x": value}, {"cluster_x": option}) == ({}, [Problem("cluster_x", found, expected)])


@pytest.mark.parametrize(
    ("value", "subject", "found", "expected"),
    [
        ({"enforce": "strict"}, "cluster_pod_security", "one of: privileged, baseline, restricted, got: strict", "a dictionary with enforce,"),
        ({"enforced": "baseline"}, "cluster_pod_security", "enforced", "a dictionary with enforce,"),
        ("baseline", "cluster_pod_security", "baseline", "a dictionary with enforce,"),
        ({"exempt_namespaces": "kube-system"}, "cluster_pod_security.exempt_namespaces", "'kube-system'", "a list of strings"),
        ({"exempt_namespaces": [7]}, "cluster_pod_security.exempt_namespaces", "[7]", "a list of strings"),
    ],
)
def test_levels_of_pod_security(value, subject, found, expected):
    _valid, (problem,) = check_values({"cluster_pod_security": value}, {"cluster_pod_security": OPTIONS["cluster_pod_security"]})
    assert problem.subject == subject and found in problem.found and expected in problem.expected, problem


def test_an_older_etcd_of_the_operator_is_named(monkeypatch):
    monkeypatch.setattr(rules, "load", lambda minor: {"components": {"etcd": {"version": "3.6.4"}}})
    assert check_inventory(inventory()) == [
        Problem("cluster_kubernetes_version", "1.36, whose catalog has etcd 3.6.4", "etcd 3.6.14 or later: with older ones, users can get around their roles")
    ]


def test_values_get_their_type():
    assert check_values({"cluster_api_port": "6443"}, {"cluster_api_port": {"type": "int"}}) == ({"cluster_api_port": 6443}, [])


def test_secret_is_never_told():
    _valid, (problem,) = check_values({"cluster_store_passphrase": {"s3cret": 1}}, {"cluster_store_passphrase": {"type": "int"}})
    assert "s3cret" not in str(problem)


def test_broken_template_is_a_problem():
    class Broken(dict):
        def __getitem__(self, name):
            raise AnsibleUndefinedVariable("'domain' is undefined")

    _valid, (problem,) = check_values(Broken(), {"cluster_domain": {"type": "str"}})
    assert problem == Problem("cluster_domain", "a template that fails: 'domain' is undefined", "a string")


def test_every_variable_of_the_contract_is_checked_with_its_default():
    defaults = Contract(DataLoader()).of({"inventory_hostname": "m0", "groups": GROUPS})
    assert check_values(defaults, OPTIONS)[1] == []


def test_other_roles_of_workers_set_these_kernel_parameters():
    set_by = {}
    for role in ("flannel", "kube_proxy", "containerd", "dns", "firewall"):
        variables = yaml.safe_load((ROOT / f"roles/{role}/vars/main.yml").read_text(encoding="utf-8"))
        set_by |= dict.fromkeys(variables[f"__{role}_job"].get("sysctls", {}), role)
    assert set_by == rules.SYSCTLS_OF_OTHER_ROLES

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Valid answers of hosts are accepted unchanged; invalid answers are refused with a reason."""

from __future__ import annotations

import copy
import json
import pathlib
import re

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.cfcr.kubernetes.plugins.modules import host_facts, host_health
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._controller.answers import ANSWERS, NoAnswer, check_output, read, validated
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._controller.shapes import InvalidAnswer
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._health.findings import Limits
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._health.report import Host, report
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._health.text import text
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.hosts import Host as CheckedHost
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.hosts import Limits as HostLimits
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.hosts import check_clocks, check_hosts, check_living
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = pathlib.Path(__file__).parents[5]
DIGEST = "0f5d8f2c1a3e4b60c2d9a77c5ad1b93f5c0e3f9e6a2b4d8871c6f3b2a9e0d417"
ASKED = {"phase": "read", "certificates": [{"path": "/pki/a", "owner": "root"}, {"path": "/pki/b", "owner": "etcd"}], "bundles": [{"path": "/pki/ca.crt"}]}
PKI = {
    "certificates": [
        {"path": "/pki/a", "public_key": "MFkw", "certificate": None},
        {"path": "/pki/b", "public_key": None, "certificate": "-----BEGIN CERTIFICATE-----\n"},
    ],
    "bundles": [{"path": "/pki/ca.crt", "content": None}],
    "drift": {"/pki/a.key": {"before": {"owner": "root", "group": "root", "mode": "0644"}, "after": {"owner": "root", "group": "root", "mode": "0600"}}},
}
DIFF = {"before": {"files": {"/x": None}}, "after": {"files": {"/x": {"content": "a\n", "mode": "0644", "owner": "root"}}}}
PEERS = [{"id": "8e9e05c52164694d", "name": "etcd-0", "peer_urls": ["https://10.0.0.61:2380"], "learner": False}]
HEALTH = {
    "attempts": 1,
    "jobs": {"etcd": {"etcd": {"state": "active", "healthy": True, "problem": None, "since": "2026-11-21T16:20:05Z", "restarts": 0, "outdated": False}}},
    "etcd": {
        "role": "leader", "member_id": "8e9e05c52164694d", "has_leader": True, "db_mib": 2.1, "in_use_mib": 1.4, "quota_mib": 2048,
        "received": {"91bc3c398fb3c146": 169369}, "problem": None, "members": PEERS,
    },
    "certificates": {"/pki/a.crt": {"common_name": "a", "issuer": "b", "not_after": "2027-11-21T16:19:44Z", "days_left": 364}, "/b.crt": {"error": "torn"}},
    "bundles": {"/pki/ca.crt": [{"common_name": "b", "issuer": "b", "not_after": "2036-11-18T16:19:41Z", "days_left": 3649}]},
    "drift": {"kubelet": ["files /etc/kubernetes/kubelet.yaml"]},
    "dropping_chains": ["ip filter FORWARD"],
    "routes": {"overlay": ["10.0.0.21"], "backends": []},
    "releases": {"kubelet": "1.36.3"},
    "load": [0.31, 0.4, 0],
    "processors": 2,
    "memory": {"total_mib": 3912, "available_mib": 3120},
    "disks": {"/": {"total_mib": 20030, "used_percent": 31, "inodes_used_percent": 9}, "/run": {"error": "no answer within 5 seconds"}},
    "uptime": 86400,
    "boot_id": "5d0bf2d5-5f1c-4c0a-b0d3-2f6b1b2f1f0e/12",
    "time": 1795255000.25,
}
FACTS = {
    "user": "root", "euid": 0, "python_version": "3.11.2", "architecture": "amd64", "kernel": "6.1.0-40-amd64", "operating_system": "debian",
    "operating_system_version": "12", "init": "systemd", "systemd_version": 252, "container": False, "processors": 2, "memory_mib": 3912, "cgroup_version": 2,
    "cgroup_driver": "systemd", "conntrack_writable": True, "nameservers": ["10.0.0.2"], "resolved": False, "search": ["example.com", "."],
    "interfaces": ["eth0", "lo"], "networks": [{"interface": "eth0", "network": "10.0.0.0/24"}], "authorities": {"/etc/etcd/pki/ca.crt": [DIGEST]},
    "addresses": ["10.0.0.1", "2001:db8::1"], "firewall_addresses": {"etcd-0": ["10.0.0.61"]}, "ephemeral_ports": [32768, 60999],
    "cluster_networks": {"cluster_pod_cidr": "10.200.0.0/16"}, "etcd_members": PEERS, "routes": {"overlay": ["10.0.0.21"], "backends": []},
    "releases": {"etcd": "3.6.16"},
    "disks": {"/var/lib": {"total_mib": 20030, "free_mib": 11877, "restrictions": ["noexec"]}}, "kernel_features": {"overlay": "present", "vxlan": "loadable"},
    "listeners": [{"port": 2379, "protocol": "tcp", "address": "::", "pid": 412, "process": "etcd", "unit": "etcd.service"}], "time": 1795255000.25,
}  # fmt: skip
JOBS = {"etcd": {"asked": DIGEST, "pki": PKI}, "dns": {"asked": DIGEST, "pki": None}}
QUORUM = {"voters": 3, "healthy": 3, "needed": 2, "reached": True}
MEMBER = {"id": "8e9e", "name": "etcd-0", "peer_urls": ["https://10.0.0.1:2380"], "client_urls": [], "learner": False, "healthy": True, "problem": ""}
CHECK = {"check": "service by name", "ok": True, "seconds": 0.1, "detail": "web-5d9c"}
# An honest answer of each module, given these arguments.
HONEST = {
    "bundle_files": ({"files": {"runc/1.5.2/amd64/runc.amd64": DIGEST}}, {"missing": ["runc/1.5.2/amd64/runc.amd64"], "diff": DIFF}),
    "certificate_files": (ASKED, PKI),
    "etcd_auth": ({}, {"cluster_id": "cdf818194e3a8c32", "diff": DIFF}),
    "etcd_cluster_info": (
        {},
        {"healthy": True, "quorum": QUORUM, "cluster_id": "", "leader": "etcd-0", "members": [MEMBER], "alarms": [], "problems": {"https://x:1": "refused"}},
    ),
    "etcd_defragment": ({}, {"databases": [{"name": "etcd-1", "before_mib": 1830.2, "after_mib": 412.7}], "alarms": ["NOSPACE"], "diff": DIFF}),
    "etcd_downgrade": ({}, {"storage": {"https://10.0.0.1:2379": "3.6.0"}}),
    "etcd_encryption_info": ({}, {"encrypted": {"secretbox:v1:key-2": 57}}),
    "etcd_key": ({}, {"revision": 14, "diff": {"before": {"key": "a", "value": None}, "after": {"key": "a", "value": "b"}}}),
    "etcd_member": ({}, {"steps": ["remove", "set_aside"], "cluster_id": "cdf818194e3a8c32", "diff": DIFF}),
    "etcd_restore": ({"phase": "verify"}, {"compared": True}),
    "etcd_snapshot": (
        {"phase": "take"},
        {
            "snapshot": {
                "size": 40992, "sha256": DIGEST, "member": "https://10.0.0.2:2379", "leader": False, "etcd_version": "3.6.16", "storage_version": "3.6.0",
                "cluster_id": "cdf818194e3a8c32", "revision": 5012, "key_count": 412, "objects": {"pods": 40, "services/specs": 3},
                "secrets": {"secretbox:v1:key-1": 7}, "authentication": True, "seconds": 3.2,
                "samples": {"secretbox:v1:key-1": {"key": "/registry/secrets/default/a", "value": "azhz"}},
            }
        },
    ),
    "flannel_lease": ({}, {"leases": {"10.200.7.0-24": "10.0.0.24"}, "given": {}, "diff": {"before": {"10.200.7.0-24": "10.0.0.24"}, "after": {}}}),
    "host_facts": ({}, {"ansible_facts": {"cfcr_host": FACTS, "cfcr_jobs": {"unchanged": JOBS}}}),
    "host_health": ({}, {"health": HEALTH}),
    "host_logs": ({}, {"archive": "H4sI", "files": ["journal/etcd.log"]}),
    "host_packages": ({}, {"packages": ["libstdc++6", "linux-image-6.1.0-41-amd64"], "reboot": "a package asks for it"}),
    "host_reboot": ({}, {"boot_id": "5d0bf2d5-5f1c-4c0a-b0d3-2f6b1b2f1f0e/12"}),
    "host_rollback": (
        {}, {"restored": ["/opt/cfcr/bin/kubelet"], "restarted": ["kubelet"], "problems": {"kubelet": "is failed"}, "releases": {"kubelet": "1.35.4"}},
    ),
    "host_watch": ({}, {"problems": {"kubelet": "is failed"}}),
    "job": ({"pki": ASKED}, {"restart": ["etcd"], "healthy": False, "pki": PKI, "diff": DIFF}),
    "job_removal": ({}, {"jobs": ["dns", "kube-proxy"], "diff": {"before": {"jobs": ["dns"]}, "after": {"jobs": []}}}),
    "release_download": ({}, {"downloaded": ["kubelet 1.36.3"]}),
    "unit_restart": ({}, {"problems": {"etcd": "answered 503"}}),
    "overlay_neighbours": ({}, {"hosts": ["10.0.0.24"], "diff": {"before": {"hosts": ["10.0.0.24"]}, "after": {"hosts": []}}}),
    "unit_stop": ({}, {"units": ["kube-apiserver"], "diff": {"before": {"units": {"kubelet": "running"}}, "after": {"units": {"kubelet": "stopped"}}}}),
    "url_probe": ({}, {"checks": [CHECK]}),
}
LIMITS = Limits(disk_percent=85, memory_percent=95, clock_skew=2.0, certificate_expires_within_days=60, rotation_days=2)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(), values, max_size=4),
    max_leaves=8,
)


def places(value, path=()):
    """Yield the path of every value in a tree."""
    yield path
    for key, element in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(element, (*path, key))


def changed(answer, path, lie):
    """Return an answer with another value at a place; with no value is to lose it."""
    answer = copy.deepcopy(answer)
    if not path:
        return lie
    *way, last = path
    place = answer
    for key in way:
        place = place[key]
    place[last] = lie
    return answer


@st.composite
def lies(draw):
    """A module, its arguments, and its answer with a lie somewhere."""
    module = draw(st.sampled_from(sorted(HONEST)))
    arguments, answer = HONEST[module]
    return module, arguments, changed({"changed": False, **answer}, draw(st.sampled_from(list(places(answer)))), draw(JSON))


def test_every_module_has_an_honest_answer():
    assert ANSWERS.keys() == HONEST.keys()


@pytest.mark.parametrize("module", HONEST)
def test_an_honest_answer_is_accepted_unchanged(module):
    arguments, answer = HONEST[module]
    said = {"changed": True, "invocation": {"module_args": {}}, **answer}
    assert read(module, arguments, f"Welcome!\n\n{json.dumps(said)}\nbye") == {"changed": True, **answer}


@pytest.mark.parametrize("module", HONEST)
@pytest.mark.parametrize("key", ["ansible_facts", "add_host", "ansible_stats", "_ansible_notify", "common_name", "skipped", "unreachable", "results"])
def test_keys_that_the_module_does_not_return_are_refused(module, key):
    if (module, key) == ("host_facts", "ansible_facts"):
        return  # see the next test
    with pytest.raises(InvalidAnswer, match=key):
        validated(module, HONEST[module][0], {**HONEST[module][1], key: {"cluster_director": "worker-0"}})


@pytest.mark.parametrize("fact", ["cluster_director", "ansible_connection", "discovered_interpreter_python", "cluster_host_address"])
def test_other_facts_are_refused(fact):
    answer = copy.deepcopy(HONEST["host_facts"][1])
    answer["ansible_facts"][fact] = "worker-0"
    with pytest.raises(InvalidAnswer, match=f"ansible_facts: found the key {fact}"):
        validated("host_facts", {}, answer)


@pytest.mark.parametrize("version", ["..", "main", "1", "1.36.3/..", "1.36.3\n", ""])
def test_a_version_that_is_none_is_refused(version):
    """It may become part of URLs and paths."""
    answer = copy.deepcopy(HONEST["host_facts"][1])
    answer["ansible_facts"]["cfcr_host"]["releases"] = {"etcd": version}
    with pytest.raises(InvalidAnswer, match="releases"):
        validated("host_facts", {}, answer)


@pytest.mark.parametrize(
    ("path", "lie"),
    [
        (("pki", "certificates", 0, "common_name"), "intruder"),
        (("pki", "certificates", 0, "authority"), "etcd"),
        (("pki", "certificates", 0, "path"), "/pki/c"),
        (("pki", "certificates", 0, "path"), "/pki/b"),
        (("pki", "certificates"), PKI["certificates"][:1]),
        (("pki", "certificates"), [*PKI["certificates"], PKI["certificates"][0]]),
        (("pki", "bundles"), []),
        (("pki", "drift", "/etc/shadow"), PKI["drift"]["/pki/a.key"]),
    ],
)
def test_only_requested_certificates_are_accepted(path, lie):
    arguments, answer = HONEST["job"]
    with pytest.raises(InvalidAnswer, match=r"^pki\."):
        validated("job", arguments, changed(answer, path, lie))


def test_certificates_are_in_the_order_of_the_request():
    arguments, answer = HONEST["job"]
    turned = changed(answer, ("pki", "certificates"), PKI["certificates"][::-1])
    assert validated("job", arguments, turned)["pki"] == PKI


@settings(max_examples=400, deadline=None)
@given(lies())
def test_a_lie_is_refused_or_valid(lie):
    """Whatever comes through is valid itself, and nothing but refusal keeps it from coming through."""
    module, arguments, answer = lie
    try:
        told = validated(module, arguments, answer)
    except InvalidAnswer as error:
        assert str(error).isprintable()
        return
    assert validated(module, arguments, told) == told or told.get("failed")
    assert set(told.get("ansible_facts", {})) <= {"cfcr_host", "cfcr_jobs"}
    json.dumps(told, allow_nan=False)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(places(HEALTH))), JSON)
def test_valid_health_never_fails_the_report(path, lie):
    try:
        health = validated("host_health", {}, {"health": changed(HEALTH, path, lie)})["health"]
    except InvalidAnswer:
        return
    health.update(clock_offset=[-0.1, 0.1], requested_at=1.0)
    api = {"endpoint": {"url": "https://x", "problem": None}, "nodes": {}, "certificate": None}
    hosts = {"etcd-0": Host("etcd", 0, "10.0.0.1", "", health)}
    made = report(hosts, api, {"credentials": []}, LIMITS, members={"etcd-0": "10.0.0.1"}, workers=[], topology="proxy", releases={})
    assert text({**made, "seconds": 1.0})


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(places(FACTS))), JSON)
def test_valid_facts_never_fail_preflight(path, lie):
    facts = {"cfcr_host": changed(FACTS, path, lie), "cfcr_jobs": {"unchanged": {}}}
    try:
        host = validated("host_facts", {}, {"ansible_facts": facts})["ansible_facts"]["cfcr_host"]
    except InvalidAnswer:
        return
    limits = HostLimits({"debian": ["12"]}, {"etcd": 450}, {"/var/lib": 1024}, 15, 2.0)
    checked = {"etcd-0": CheckedHost(host, ["etcd"], [], {"cluster_pod_cidr": "10.200.0.0/16", "cluster_service_cidr": "10.100.0.0/24"}, "10.0.0.1")}
    found = check_hosts(checked, limits, {"etcd"})
    assert len(list(check_living(checked, {"etcd-0": "10.0.0.1"}))) <= 3
    assert all(problem.subject == "etcd-0" for problem in [*found, *check_clocks({"etcd-0": {**host, "clock_offset": [0.0, 0.1]}}, limits)])


@pytest.mark.parametrize(("module", "arguments"), [(host_facts, {"ports": ["1-65535/tcp", "1-65535/udp"]}), (host_health, {})])
def test_this_machine_is_honest(module, arguments, capsys):
    with patch_module_args(arguments), pytest.raises(SystemExit):
        module.main()
    answer = json.loads(capsys.readouterr().out)
    told = validated(module.__name__.rpartition(".")[2], arguments, answer)
    assert told == {key: value for key, value in answer.items() if key != "invocation"}


def test_a_failure_says_why_and_nothing_else():
    said = {"failed": True, "msg": "no \x1b[31mroot", "ansible_facts": {"cluster_director": "worker-0"}, "changed": False, "pki": PKI, "exception": "Traceback"}
    assert validated("job", {}, said) == {"failed": True, "msg": "no \ufffd[31mroot", "changed": False}


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ([1, 2], "found a list of 2, expected a mapping"),
        ({"changed": "yes"}, "changed: found yes, expected True or False"),
        ({"failed": 1}, "failed: found 1, expected True or False"),
        ({"diff": {"before": [], "after": {}}}, "diff.before: found a list of 0, expected a mapping"),
        ({"warnings": ["x"] * 101}, "warnings: found a list of 101, expected 100 or fewer"),
        ({"problems": {"a b": ""}}, "a key of problems: found a b, expected the name of a unit"),
        ({}, "found no key problems, expected one"),
    ],
)
def test_an_invalid_answer_is_refused_with_a_reason(answer, complaint):
    with pytest.raises(InvalidAnswer, match=f"^{re.escape(complaint)}"):
        validated("unit_restart", {}, answer)


@pytest.mark.parametrize("text", ["x" * (9 << 20), '{"a":[' + "[]," * 200_000 + "[]]}"])
def test_an_answer_that_is_too_large_is_not_parsed(text, monkeypatch):
    monkeypatch.setattr("json.JSONDecoder.raw_decode", lambda *_arguments: pytest.fail("it was parsed"))
    with pytest.raises(InvalidAnswer):
        read("job", {}, text)


@pytest.mark.parametrize("text", ["", "Traceback", '{"a":' * 90_000, '{"a": 1' + "0" * 10_000 + "}", "[1, 2]", '{"a": '])
def test_a_missing_answer_differs_from_an_invalid_one(text):
    """A module that crashes says why in other words."""
    with pytest.raises(NoAnswer):
        read("job", {}, text)


def test_warnings_become_texts():
    said = {"restart": [], "warnings": ["plain", {"__ansible_type": "WarningSummary", "event": {"msg": "an object"}}]}
    assert validated("job", {}, said)["warnings"] == ["plain", "an object"]


def test_every_module_that_runs_on_hosts_has_an_action():
    """Without one, Ansible takes whatever the module answers."""
    actions = {path.stem for path in (ROOT / "plugins/action").glob("*.py") if "HostAction" in path.read_text(encoding="utf-8")}
    assert actions == (ANSWERS.keys() - {"certificate_files"}) | {"certificate"}


@pytest.mark.parametrize("version", ["3.9rc1", "3", "3.", "three", "3.9.1.1 x"])
def test_an_invalid_version_of_python_is_refused(version):
    with pytest.raises(InvalidAnswer, match="python_version"):
        validated("host_facts", {}, changed(HONEST["host_facts"][1], ("ansible_facts", "cfcr_host", "python_version"), version))


@pytest.mark.parametrize("address", ["fe80::1%\nforward-zones=x=6.6.6.6", "10.0.0.1 ", "ns.example.com", "::ffff:1.2.3.4/1"])
def test_a_name_server_without_an_address_is_refused(address):
    with pytest.raises(InvalidAnswer, match="nameservers"):
        validated("host_facts", {}, changed(HONEST["host_facts"][1], ("ansible_facts", "cfcr_host", "nameservers"), [address]))


def test_a_large_diff_is_not_shown():
    """Ansible's main process would compare it, and no host has that for itself."""
    told = validated("etcd_key", {}, {"revision": 14, "diff": {"before": {}, "after": {"files": "x" * 70_000}}})
    assert told["diff"] == {"before": {}, "after": {"too large to show": "70013 characters"}}


def test_serialized_objects_of_ansible_are_refused():
    with pytest.raises(InvalidAnswer, match="__ansible_type"):
        validated("etcd_key", {}, {"diff": {"before": {}, "after": {"x": {"__ansible_type": "datetime"}}}})


def test_texts_of_a_report_become_one_line():
    health = changed(HEALTH, ("jobs", "etcd", "etcd", "problem"), "down\n  master-0  critical  unit")
    assert validated("host_health", {}, {"health": health})["health"]["jobs"]["etcd"]["etcd"]["problem"] == "down   master-0  critical  unit"


@pytest.mark.parametrize("output", [b"x" * (9 << 20), b"\n" * 200_000, "\u2028".encode() * 200_000])
def test_an_output_that_is_too_large_is_refused(output):
    with pytest.raises(InvalidAnswer):
        check_output("job", output)

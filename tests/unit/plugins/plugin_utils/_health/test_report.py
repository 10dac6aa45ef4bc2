# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a cluster's health, and its rules."""

from __future__ import annotations

import copy
import pathlib

import pytest
import yaml
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._health.findings import JOBS, Limits
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._health.report import Host, report
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._health.text import text

ROOT = pathlib.Path(__file__).parents[5]
LIMITS = Limits(disk_percent=85, memory_percent=95, clock_skew=2.0, certificate_days=60, rotation_days=2)
UNIT = {"state": "active", "healthy": True, "problem": None, "since": "2026-11-21T16:00:00Z", "restarts": 0, "outdated": False}
MEMBER = {"role": "follower", "member_id": "1", "has_leader": True, "db_mib": 2.0, "quota_mib": 2048, "problem": None}
CERTIFICATE = {"common_name": "x", "issuer": "cfcr etcd", "not_after": "2027-11-21T16:00:00Z", "days_left": 364}
AUTHORITY = {"common_name": "cfcr etcd", "issuer": "cfcr etcd", "not_after": "2036-11-18T16:00:00Z", "days_left": 3649}
NODE = {"ready": True, "condition": "Ready", "message": "", "schedulable": True, "version": "v1.36.3", "pressure": []}
GROUPS = {"proxy": 1, "master": 2, "worker": 3, "etcd": 3}


def healthy(group):
    return {
        "asked": 1,
        "jobs": {job: {job: dict(UNIT)} for job in JOBS[group]},
        "etcd": dict(MEMBER) if group == "etcd" else None,
        "certificates": {"/etc/x/pki/x.crt": dict(CERTIFICATE)},
        "authorities": {"/etc/x/pki/ca.crt": [dict(AUTHORITY)]},
        "load": [0.1, 0.2, 0.3],
        "processors": 2,
        "memory": {"total_mib": 4000, "available_mib": 3000},
        "disks": {"/": {"total_mib": 20000, "used_percent": 30, "inodes_percent": 40}},
        "uptime": 3600,
        "boot_id": "1/2",
        "clock_offset": [-0.2, 0.3],
    }


class Cluster:
    """Nine hosts of which all is well, until a test says otherwise."""

    def __init__(self):
        self.health = {f"{group}-{index}": healthy(group) for group, count in GROUPS.items() for index in range(count)}
        self.health["etcd-1"]["etcd"]["role"] = "leader"
        self.api = {
            "endpoint": {"url": "https://10.0.0.91:8443", "problem": None, "seconds": 0.02},
            "nodes": {f"10.0.0.worker-{index}": copy.deepcopy(NODE) for index in range(3)},
            "certificate": dict(CERTIFICATE),
        }
        self.store = {"credentials": []}

    def report(self):
        hosts = {}
        for name, health in self.health.items():
            group, index = name.split("-")
            hosts[name] = Host(group, int(index), f"10.0.0.{name}", "z1", health)
        return report(hosts, self.api, self.store, LIMITS, voters=3)

    def findings(self):
        return [(found["host"], found["kind"], found["subject"], found["severity"]) for found in self.report()["findings"]]


@pytest.fixture
def cluster():
    return Cluster()


def test_nothing_is_found_where_all_is_well(cluster):
    made = cluster.report()
    assert made["findings"] == []
    assert {host["state"] for host in made["hosts"].values()} == {"healthy"}
    assert made["cluster"]["etcd"] == {"voters": 3, "needed": 2, "asked": 3, "healthy": 3, "leader": "etcd-1"}
    assert made["hosts"]["worker-1"]["node"]["ready"]
    assert made["hosts"]["etcd-0"]["node"] is None
    assert made["hosts"]["etcd-0"]["memory"]["used_percent"] == 25
    assert made["hosts"]["etcd-0"]["disk"] == {"path": "/", "used_percent": 40}
    assert len(made["cluster"]["authorities"]) == 1
    assert len(made["cluster"]["authorities"][0]["hosts"]) == 9


def test_a_host_that_does_not_answer_is_unreachable_and_nothing_else(cluster):
    cluster.health["worker-0"] = {"error": "no answer within 10 seconds", "asked": 2}
    made = cluster.report()
    assert made["hosts"]["worker-0"]["state"] == "unreachable"
    assert made["hosts"]["worker-0"]["node"]["ready"]  # as long as the API has not noticed
    (found,) = made["findings"]
    assert (found["host"], found["kind"], found["found"]) == ("worker-0", "unreachable", "no answer within 10 seconds (asked 2 times)")


def test_an_ignored_host_is_not_judged(cluster):
    cluster.health["worker-0"] = None
    cluster.api["nodes"]["10.0.0.worker-0"]["ready"] = False
    made = cluster.report()
    assert made["hosts"]["worker-0"]["state"] == "ignored"
    assert made["findings"] == []


def test_a_host_without_its_jobs_fails(cluster):
    cluster.health["worker-0"]["jobs"] = {}
    assert cluster.findings() == [("worker-0", "job", job, "critical") for job in JOBS["worker"]]
    assert cluster.report()["hosts"]["worker-0"]["state"] == "failing"


def test_a_unit_that_is_not_well_fails_its_host(cluster):
    cluster.health["master-0"]["jobs"]["master"]["master"].update(healthy=False, state="failed", problem="is failed (exit-code)")
    made = cluster.report()
    assert cluster.findings() == [("master-0", "unit", "master", "critical")]
    assert made["hosts"]["master-0"]["state"] == "failing"
    assert made["hosts"]["master-0"]["services"] == {"total": 3, "failing": ["master"]}


def test_a_unit_that_waits_for_a_restart_is_a_warning(cluster):
    cluster.health["master-0"]["jobs"]["master"]["master"]["outdated"] = True
    assert cluster.findings() == [("master-0", "unit", "master", "warning")]
    assert cluster.report()["hosts"]["master-0"]["state"] == "healthy"


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"disks": {"/": {"total_mib": 1, "used_percent": 86, "inodes_percent": 1}}}, "disk"),
        ({"disks": {"/": {"total_mib": 1, "used_percent": 1, "inodes_percent": 86}}}, "disk"),
        ({"disks": {"/": {"error": "no answer within 5 seconds"}}}, "disk"),
        ({"memory": {"total_mib": 100, "available_mib": 4}}, "memory"),
        ({"clock_offset": [2.1, 2.5]}, "clock"),
        ({"clock_offset": [-3.0, -2.1]}, "clock"),
        ({"certificates": {"/x.crt": {**CERTIFICATE, "days_left": 59}}}, "certificate"),
        ({"certificates": {"/x.crt": {"error": "not a whole certificate"}}}, "certificate"),
    ],
)
def test_a_limit_is_kept(cluster, change, kind):
    cluster.health["etcd-0"].update(change)
    assert [found[:2] for found in cluster.findings()] == [("etcd-0", kind)]


@pytest.mark.parametrize(
    "change",
    [
        {"disks": {"/": {"total_mib": 1, "used_percent": 85, "inodes_percent": 85}}},
        {"memory": {"total_mib": 100, "available_mib": 5}},
        {"clock_offset": [1.9, 60.0]},
        {"certificates": {"/x.crt": {**CERTIFICATE, "days_left": 60}}},
    ],
)
def test_what_is_at_its_limit_is_within_it(cluster, change):
    cluster.health["etcd-0"].update(change)
    assert cluster.findings() == []


def test_a_certificate_that_has_ended_is_critical(cluster):
    cluster.health["etcd-0"]["certificates"]["/etc/x/pki/x.crt"]["days_left"] = -1
    assert cluster.findings() == [("etcd-0", "certificate", "/etc/x/pki/x.crt", "critical")]


def test_an_authority_is_found_once(cluster):
    for health in cluster.health.values():
        health["authorities"]["/etc/x/pki/ca.crt"][0].update(days_left=10, not_after="2026-12-01T16:00:00Z")
    assert cluster.findings() == [(None, "certificate", "authority cfcr etcd", "warning")]


@pytest.mark.parametrize(
    ("node", "found"),
    [
        (None, "no Node"),
        ({**NODE, "ready": False, "condition": "Unknown", "message": "Kubelet stopped"}, "Unknown: Kubelet stopped"),
    ],
)
def test_a_node_that_is_not_ready_is_found(cluster, node, found):
    cluster.api["nodes"]["10.0.0.worker-2"] = node
    (finding,) = cluster.report()["findings"]
    assert (finding["host"], finding["kind"], finding["found"]) == ("worker-2", "node", found)


def test_nodes_are_not_judged_where_the_api_does_not_answer(cluster):
    cluster.api.update(nodes=None, endpoint={"url": "https://10.0.0.91:8443", "problem": "refused", "seconds": 0.1})
    assert cluster.findings() == [(None, "endpoint", "https://10.0.0.91:8443", "critical")]


def test_etcd_without_a_quorum_is_the_clusters(cluster):
    for name in ("etcd-0", "etcd-1"):
        cluster.health[name] = {"error": "no route to host", "asked": 2}
    cluster.health["etcd-2"]["etcd"].update(has_leader=False, problem="RAFT NO LEADER")
    assert (None, "etcd", "quorum", "critical") in cluster.findings()
    assert ("etcd-2", "etcd", "etcd-2", "critical") in cluster.findings()


def test_members_that_were_not_asked_may_be_well(cluster):
    for name in ("etcd-0", "etcd-1"):
        cluster.health[name] = None
    assert cluster.findings() == []


def test_a_learner_has_no_vote_yet(cluster):
    cluster.health["etcd-0"]["etcd"]["role"] = "learner"
    assert cluster.findings() == [("etcd-0", "etcd", "etcd-0", "critical")]
    assert cluster.report()["cluster"]["etcd"]["healthy"] == 2


def test_critical_findings_come_first_and_are_told_in_columns(cluster):
    cluster.health["proxy-0"]["memory"]["available_mib"] = 1
    cluster.health["etcd-0"] = {"error": "no route to host", "asked": 2}
    lines = text({**cluster.report(), "seconds": 7.4}).splitlines()
    assert lines == [
        "2 findings; hosts: 8 healthy, 1 unreachable, asked in 7.4 s",
        "  etcd-0   critical  unreachable  10.0.0.etcd-0: found no route to host (asked 2 times), expected an answer",
        "  proxy-0  warning   memory       found 100 % of 4000 MiB used, expected 95 % or less",
    ]


def test_what_is_being_replaced_is_told_and_found_when_it_was_forgotten(cluster):
    def entry(name, rotation, days):
        return {"name": name, "rotation": rotation, "created_at": "2026-11-21T09:00:00Z", "age_days": days}

    cluster.store = {"credentials": [entry("etcd", "use", 1), entry("service-account", "use", 2), entry("admin", None, 300)]}
    made = cluster.report()
    assert made["cluster"]["rotations"][0] == {"name": "etcd", "phase": "use", "since": "2026-11-21T09:00:00Z", "days": 1}
    assert [rotation["name"] for rotation in made["cluster"]["rotations"]] == ["etcd", "service-account"]
    assert text({**made, "seconds": 1}).splitlines()[1:] == [
        "  the cluster  warning  rotation  service-account: found in phase use since 2026-11-21T09:00:00Z, "
        "expected fewer than 2 days: goes on by running rotate.yml again"
    ]


def test_a_store_that_cannot_be_read_is_found(cluster):
    cluster.store = {"failed": True, "msg": "Vault is sealed"}
    assert cluster.findings() == [(None, "store", "store", "warning")]


def test_the_jobs_of_a_group_are_those_that_the_site_gives_it():
    jobs = {group: set() for group in JOBS}
    for play in yaml.safe_load((ROOT / "playbooks/site.yml").read_text()):
        for role in play.get("roles", []):
            variables = ROOT / "roles" / role.rpartition(".")[2] / "vars/main.yml"
            named = yaml.safe_load(variables.read_text()).get(f"__{role.rpartition('.')[2]}_job") if variables.exists() else None
            for group in set(play["hosts"].split(":")) & set(jobs) if named else ():
                jobs[group].add(named["name"])
    assert jobs == {group: set(names) for group, names in JOBS.items()}

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a cluster's health, and its rules."""

from __future__ import annotations

import copy
import dataclasses

import pytest
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._health.findings import Limits, check_backup, check_restore
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._health.jobs import jobs_of
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._health.report import Host, report
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._health.text import text

LIMITS = Limits(disk_percent=85, memory_percent=95, clock_skew=2.0, certificate_expires_within_days=60, rotation_days=2)
UNIT = {"state": "active", "healthy": True, "problem": None, "since": "2026-11-21T16:00:00Z", "restarts": 0, "outdated": False}
MEMBER = {
    "role": "follower", "member_id": "1", "has_leader": True, "db_mib": 2.0, "in_use_mib": 1.0, "quota_mib": 2048, "received": {}, "problem": None,
    "members": None,
}  # fmt: skip
CERTIFICATE = {"common_name": "x", "issuer": "cfcr etcd", "not_after": "2027-11-21T16:00:00Z", "days_left": 364}
AUTHORITY = {"common_name": "cfcr etcd", "issuer": "cfcr etcd", "not_after": "2036-11-18T16:00:00Z", "days_left": 3649}
NODE = {"ready": True, "condition": "Ready", "message": "", "schedulable": True, "version": "v1.36.3", "pressure": [], "seconds": 60}
GROUPS = {"proxy": 1, "master": 2, "worker": 3, "etcd": 3}


def healthy(group):
    return {
        "attempts": 1,
        "jobs": {job: {job: dict(UNIT)} for job in jobs_of(group, "proxy")},
        "etcd": dict(MEMBER) if group == "etcd" else None,
        "certificates": {"/etc/x/pki/x.crt": dict(CERTIFICATE)},
        "drift": {},
        "dropping_chains": [],
        "routes": {"overlay": [], "backends": []},
        "releases": {"runc": "1.5.2"},
        "bundles": {"/etc/x/pki/ca.crt": [dict(AUTHORITY)]},
        "load": [0.1, 0.2, 0.3],
        "processors": 2,
        "memory": {"total_mib": 4000, "available_mib": 3000},
        "disks": {"/": {"total_mib": 20000, "used_percent": 30, "inodes_used_percent": 40}},
        "uptime": 3600,
        "boot_id": "1/2",
        "clock_offset": [-0.2, 0.3],
    }


class Cluster:
    """Nine healthy hosts, until a test changes them."""

    def __init__(self):
        self.health = {f"{group}-{index}": healthy(group) for group, count in GROUPS.items() for index in range(count)}
        self.health["etcd-1"]["etcd"]["role"] = "leader"
        self.api = {
            "endpoint": {"url": "https://10.0.0.91:8443", "problem": None, "seconds": 0.02},
            "nodes": {f"10.0.0.worker-{index}": copy.deepcopy(NODE) for index in range(3)},
            "certificate": dict(CERTIFICATE),
        }
        self.store = {"credentials": []}
        self.topology = "proxy"
        self.removed = set()

    def report(self):
        hosts = {}
        for name, health in self.health.items():
            group, index = name.split("-")
            hosts[name] = Host(group, int(index), f"10.0.0.{name}", "z1", health, name in self.removed)
        addresses = {name: host.address for name, host in hosts.items() if not host.removed}
        members, workers = ({name: address for name, address in addresses.items() if name.startswith(group)} for group in ("etcd", "worker"))
        own = {"members": members, "workers": workers.values(), "addresses": addresses.values()}
        return report(hosts, self.api, self.store, LIMITS, **own, topology=self.topology, releases={"runc": "1.5.2"})

    def findings(self):
        return [(found["host"], found["kind"], found["subject"], found["severity"]) for found in self.report()["findings"]]


@pytest.fixture
def cluster():
    return Cluster()


def test_a_healthy_cluster_has_no_findings(cluster):
    made = cluster.report()
    assert made["findings"] == []
    assert {host["state"] for host in made["hosts"].values()} == {"healthy"}
    assert made["cluster"]["etcd"] == {"voters": 3, "needed": 2, "asked": 3, "healthy": 3, "leader": "etcd-1"}
    assert made["hosts"]["worker-1"]["node"]["ready"]
    assert made["hosts"]["etcd-0"]["node"] is None
    assert made["hosts"]["etcd-0"]["memory"]["used_percent"] == 25
    assert made["hosts"]["etcd-0"]["fullest_disk"] == {"path": "/", "used_percent": 40}
    assert len(made["cluster"]["authorities"]) == 1
    assert len(made["cluster"]["authorities"][0]["hosts"]) == 9


def test_a_host_that_does_not_answer_has_one_finding(cluster):
    cluster.health["worker-0"] = {"error": "no answer within 10 seconds", "attempts": 2}
    made = cluster.report()
    assert made["hosts"]["worker-0"]["state"] == "unreachable"
    assert made["hosts"]["worker-0"]["node"]["ready"]  # as long as the API has not noticed
    (found,) = made["findings"]
    assert (found["host"], found["kind"], found["found"]) == ("worker-0", "unreachable", "no answer within 10 seconds (2 attempts)")


def test_an_ignored_host_has_no_findings(cluster):
    cluster.health["worker-0"] = None
    cluster.api["nodes"]["10.0.0.worker-0"]["ready"] = False
    made = cluster.report()
    assert made["hosts"]["worker-0"]["state"] == "ignored"
    assert made["findings"] == []


def test_a_host_without_its_jobs_fails(cluster):
    cluster.health["worker-0"]["jobs"] = {}
    assert cluster.findings() == [("worker-0", "job", job, "critical") for job in jobs_of("worker", "proxy")]
    assert cluster.report()["hosts"]["worker-0"]["state"] == "failing"


def test_a_master_without_the_jobs_of_its_topology_fails(cluster):
    cluster.topology = "cf_routing"
    for job in ("cf-api-registrar", "cf-route-sync"):
        cluster.health["master-0"]["jobs"][job] = {job: dict(UNIT)}
    assert cluster.findings() == [("master-1", "job", "cf-api-registrar", "critical"), ("master-1", "job", "cf-route-sync", "critical")]


def test_an_unhealthy_unit_fails_its_host(cluster):
    cluster.health["master-0"]["jobs"]["master"]["master"].update(healthy=False, state="failed", problem="is failed (exit-code)")
    made = cluster.report()
    assert cluster.findings() == [("master-0", "unit", "master", "critical")]
    assert made["hosts"]["master-0"]["state"] == "failing"
    assert [unit for unit, status in made["hosts"]["master-0"]["units"].items() if not status["healthy"]] == ["master"]


def test_a_unit_that_waits_for_a_restart_is_a_warning(cluster):
    cluster.health["master-0"]["jobs"]["master"]["master"]["outdated"] = True
    assert cluster.findings() == [("master-0", "unit", "master", "warning")]
    assert cluster.report()["hosts"]["master-0"]["state"] == "healthy"


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"disks": {"/": {"total_mib": 1, "used_percent": 86, "inodes_used_percent": 1}}}, "disk"),
        ({"disks": {"/": {"total_mib": 1, "used_percent": 1, "inodes_used_percent": 86}}}, "disk"),
        ({"disks": {"/": {"error": "no answer within 5 seconds"}}}, "disk"),
        ({"memory": {"total_mib": 100, "available_mib": 4}}, "memory"),
        ({"clock_offset": [2.1, 2.5]}, "clock"),
        ({"clock_offset": [-3.0, -2.1]}, "clock"),
        ({"certificates": {"/x.crt": {**CERTIFICATE, "days_left": 59}}}, "certificate"),
        ({"certificates": {"/x.crt": {"error": "not a whole certificate"}}}, "certificate"),
    ],
)
def test_a_value_beyond_its_limit_is_a_finding(cluster, change, kind):
    cluster.health["etcd-0"].update(change)
    assert [found[:2] for found in cluster.findings()] == [("etcd-0", kind)]


@pytest.mark.parametrize(
    "change",
    [
        {"disks": {"/": {"total_mib": 1, "used_percent": 85, "inodes_used_percent": 85}}},
        {"memory": {"total_mib": 100, "available_mib": 5}},
        {"clock_offset": [1.9, 60.0]},
        {"certificates": {"/x.crt": {**CERTIFICATE, "days_left": 60}}},
    ],
)
def test_a_value_at_its_limit_is_no_finding(cluster, change):
    cluster.health["etcd-0"].update(change)
    assert cluster.findings() == []


def test_an_expired_certificate_is_critical(cluster):
    cluster.health["etcd-0"]["certificates"]["/etc/x/pki/x.crt"]["days_left"] = -1
    assert cluster.findings() == [("etcd-0", "certificate", "/etc/x/pki/x.crt", "critical")]


def test_a_ca_that_expires_is_reported_once(cluster):
    for health in cluster.health.values():
        health["bundles"]["/etc/x/pki/ca.crt"][0].update(days_left=10, not_after="2026-12-01T16:00:00Z")
    assert cluster.findings() == [(None, "certificate", "CA cfcr etcd", "warning")]


@pytest.mark.parametrize(
    ("node", "found"),
    [
        (None, "no Node"),
        ({**NODE, "ready": False, "condition": "Unknown", "message": "Kubelet stopped"}, "Unknown: Kubelet stopped"),
    ],
)
def test_a_node_that_is_not_ready_is_a_finding(cluster, node, found):
    cluster.api["nodes"]["10.0.0.worker-2"] = node
    (finding,) = cluster.report()["findings"]
    assert (finding["host"], finding["kind"], finding["found"]) == ("worker-2", "node", found)


def test_nodes_have_no_findings_if_the_api_does_not_answer(cluster):
    cluster.api.update(nodes=None, endpoint={"url": "https://10.0.0.91:8443", "problem": "refused", "seconds": 0.1})
    assert cluster.findings() == [(None, "endpoint", "https://10.0.0.91:8443", "critical")]


@pytest.mark.parametrize(
    "endpoint",
    [
        {"url": "", "problem": "not queried, without a usable kubeconfig", "seconds": 0},
        {"url": "https://10.0.0.91:8443", "problem": None, "seconds": 0.1},
    ],
)
def test_a_refused_kubeconfig_is_no_problem_of_the_endpoint(cluster, endpoint):
    cluster.api.update(nodes=None, endpoint=endpoint, refusal="kubeconfig health.kubeconfig: No such file or directory")
    assert cluster.findings() == [(None, "access", "cluster_health_kubeconfig", "critical")]


def test_a_missing_quorum_is_a_finding_about_the_cluster(cluster):
    for name in ("etcd-0", "etcd-1"):
        cluster.health[name] = {"error": "no route to host", "attempts": 2}
    cluster.health["etcd-2"]["etcd"].update(has_leader=False, problem="RAFT NO LEADER")
    assert (None, "etcd", "quorum", "critical") in cluster.findings()
    assert ("etcd-2", "etcd", "etcd-2", "critical") in cluster.findings()


def test_members_that_were_not_asked_may_be_healthy(cluster):
    for name in ("etcd-0", "etcd-1"):
        cluster.health[name] = None
    assert cluster.findings() == []


def test_a_learner_has_no_vote_yet(cluster):
    cluster.health["etcd-0"]["etcd"]["role"] = "learner"
    assert cluster.findings() == [("etcd-0", "etcd", "etcd-0", "critical")]
    assert cluster.report()["cluster"]["etcd"]["healthy"] == 2


def test_critical_findings_come_first_in_columns(cluster):
    cluster.health["proxy-0"]["memory"]["available_mib"] = 1
    cluster.health["etcd-0"] = {"error": "no route to host", "attempts": 2}
    lines = text({**cluster.report(), "seconds": 7.4}).splitlines()
    assert lines == [
        "2 findings; hosts: 8 healthy, 1 unreachable, checked in 7.4 s",
        "  etcd-0   critical  unreachable  10.0.0.etcd-0: found no route to host (2 attempts), expected a host that Ansible reaches",
        "  proxy-0  warning   memory       found 100 % of 4000 MiB used, expected 95 % or less",
    ]


def test_rotations_are_reported_and_a_stale_one_is_a_finding(cluster):
    def entry(name, rotation, days):
        return {"name": name, "rotation": rotation, "created_at": "2026-11-21T09:00:00Z", "age_days": days}

    cluster.store = {"credentials": [entry("etcd", "use", 1), entry("service-account", "use", 2), entry("admin", None, 300)]}
    made = cluster.report()
    assert made["cluster"]["rotations"][0] == {"name": "etcd", "phase": "use", "since": "2026-11-21T09:00:00Z", "days_in_phase": 1}
    assert [rotation["name"] for rotation in made["cluster"]["rotations"]] == ["etcd", "service-account"]
    assert text({**made, "seconds": 1}).splitlines()[1:] == [
        "  the cluster  warning  rotation  service-account: found in phase use since 2026-11-21T09:00:00Z, "
        "expected fewer than 2 days: run rotate.yml again to continue"
    ]


def test_an_unreadable_store_is_a_finding(cluster):
    cluster.store = {"failed": True, "msg": "Vault is sealed"}
    assert cluster.findings() == [(None, "store", "store", "warning")]


def test_a_member_that_the_inventory_does_not_have_is_named_with_those_who_say_so(cluster):
    known = [{"id": f"{index}", "name": f"etcd-{index}", "peer_urls": [f"https://10.0.0.etcd-{index}:2380"], "learner": False} for index in range(3)]
    removed = {"id": "f00", "name": "etcd-9", "peer_urls": ["https://10.0.0.69:2380"], "learner": False}
    for name in ("etcd-0", "etcd-1", "etcd-2"):
        cluster.health[name]["etcd"]["members"] = known
    assert cluster.findings() == []
    for name in ("etcd-0", "etcd-2"):
        cluster.health[name]["etcd"]["members"] = [*known, removed]
    (found,) = cluster.report()["findings"]
    assert (found["host"], found["kind"], found["subject"], found["severity"]) == (None, "member", "etcd-9 (10.0.0.69)", "warning")
    assert "says etcd-0, etcd-2" in found["found"] and "run remove.yml -e remove=" in found["expected"]


def test_a_node_that_the_inventory_does_not_have_is_named(cluster):
    cluster.health["worker-2"] = None  # an ignored host is known
    cluster.api["nodes"]["10.0.0.99"] = copy.deepcopy(NODE)
    (found,) = cluster.report()["findings"]
    assert (found["host"], found["kind"], found["subject"], found["severity"]) == (None, "node", "10.0.0.99", "warning")
    assert "run remove.yml -e remove=10.0.0.99" in found["expected"]


@pytest.mark.parametrize(
    ("size", "in_use", "expected"),
    [
        (1638.0, 1600.0, None),
        (1700.0, 300.0, "80 % or less: run etcd_defragment.yml, since only 300 MiB are in use"),
        (1700.0, 1600.0, "80 % or less: 1600 MiB are in use; delete objects and run etcd_defragment.yml, or raise etcd_quota_mib"),
    ],
)
def test_a_database_near_its_quota_is_a_warning(cluster, size, in_use, expected):
    cluster.health["etcd-0"]["etcd"].update(db_mib=size, in_use_mib=in_use)
    assert [(found["subject"], found["severity"], found["expected"]) for found in cluster.report()["findings"]] == (
        [("database", "warning", expected)] if expected else []
    )


@pytest.mark.parametrize(("alarm", "remedy"), [("NOSPACE", "run etcd_defragment.yml"), ("CORRUPT", "replace the member")])
def test_an_alarm_of_etcd_has_a_remedy(cluster, alarm, remedy):
    cluster.health["etcd-0"]["etcd"]["problem"] = f"ALARM {alarm}"
    (found,) = cluster.report()["findings"]
    assert found["severity"] == "critical" and remedy in found["expected"]


def test_a_host_that_has_left_has_no_findings_but_its_line(cluster):
    cluster.removed = {"worker-2"}
    cluster.health["worker-2"] = {"error": "no answer", "attempts": 2}
    del cluster.api["nodes"]["10.0.0.worker-2"]
    cluster.store["removals"] = {"worker-2": {"group": "worker", "address": "10.0.0.worker-2", "state": "removed", "since": "2026-11-29T18:00:00Z"}}
    made = cluster.report()
    assert made["hosts"]["worker-2"]["state"] == "removed"
    (found,) = made["findings"]
    assert (found["kind"], found["subject"], found["severity"]) == ("removal", "worker-2", "warning")
    assert "take it out" in found["expected"]


def test_an_interrupted_removal_and_what_it_left_are_named(cluster):
    cluster.removed = {"worker-2", "etcd-0"}
    cluster.store["removals"] = {"worker-2": {"group": "worker", "address": "x", "state": "leaving", "since": "2026-11-29T18:00:00Z"}}
    findings = cluster.findings()
    assert (None, "removal", "worker-2", "warning") in findings
    assert (None, "node", "10.0.0.worker-2", "warning") in findings
    assert (None, "etcd", "members", "warning") in findings  # two are left
    assert not [found for found in findings if found[0] in cluster.removed]


def test_routes_to_unknown_hosts_are_named(cluster):
    cluster.health["worker-0"]["routes"]["overlay"] = ["10.0.0.worker-1", "10.0.0.24"]
    cluster.health["master-0"]["routes"]["overlay"] = ["10.0.0.24"]
    cluster.health["proxy-0"]["routes"]["backends"] = ["10.0.0.24"]
    route, backend = cluster.report()["findings"]
    assert (route["kind"], route["subject"], route["severity"]) == ("route", "10.0.0.24", "warning")
    assert "says master-0, worker-0" in route["found"] and "remove.yml -e remove=10.0.0.24" in route["expected"]
    assert "says proxy-0" in backend["found"] and "site.yml" in backend["expected"]


def test_other_versions_than_those_of_the_store_are_in_the_row_of_a_host(cluster):
    cluster.health["worker-1"]["releases"] = {"runc": "1.4.3", "left-from-before": "1.0"}
    cluster.store["versions"] = {"catalog": "1.36", "runc": "1.5.2"}
    made = cluster.report()
    assert made["cluster"]["versions"] == {"catalog": "1.36", "runc": "1.5.2"}
    assert {name: row["other_releases"] for name, row in made["hosts"].items() if row["other_releases"]} == {"worker-1": {"runc": "1.5.2"}}
    assert made["findings"] == []  # a host that waits for an update is healthy


BACKUP = {
    "newest": {"id": "prod-20261129T010003Z.cfcr", "created_at": "2026-11-29T01:00:03Z", "size": 101076006, "revision": 42},
    "age_hours": 22.2, "attempted_at": "2026-11-29T01:00:58Z", "problem": "",
    "targets": {"directory /mnt": {"newest": "prod-20261129T010003Z.cfcr", "problem": ""}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "limit", "found"),
    [
        ({}, 26, []),
        ({"age_hours": 27.4}, 26, [("newest", "prod-20261129T010003Z.cfcr, 27 hours old")]),
        ({"age_hours": 27.4}, 30, []),
        ({"age_hours": 270, "problem": "etcd: found no quorum"}, 0, []),
        ({"problem": "etcd: found no quorum"}, 26, [("attempt of 2026-11-29T01:00:58Z", "etcd: found no quorum")]),
        (
            {"age_hours": None, "newest": {}, "problem": "x", "targets": {}},
            26,
            [("newest", "no verified backup"), ("attempt of 2026-11-29T01:00:58Z", "x")],
        ),
        ({"problem": "s3: refused", "targets": {"s3 b": {"problem": "s3: refused"}, "sftp c": {"problem": ""}}}, 26, [("s3 b", "s3: refused")]),
        (
            {"problem": "etcd: found no quorum", "targets": {"s3 b": {"problem": "s3: refused"}}},
            26,
            [("s3 b", "s3: refused"), ("attempt of 2026-11-29T01:00:58Z", "etcd: found no quorum")],
        ),
    ],
)
def test_backups(changes, limit, found):
    limits = dataclasses.replace(LIMITS, backup_hours=limit)
    findings = list(check_backup({"backup": {**BACKUP, **changes}}, limits))
    assert [(finding.subject, finding.found) for finding in findings] == found
    assert {finding.severity for finding in findings} <= {"warning"} and all(finding.host is None for finding in findings)


def test_a_restore_that_was_interrupted():
    restore = {"id": "prod-20261129T010003Z.cfcr", "phase": "begun", "at": "2026-11-30T07:12:40Z"}
    (finding,) = check_restore({"restore": restore})
    assert (finding.subject, finding.found, finding.severity) == (restore["id"], "phase begun since 2026-11-30T07:12:40Z", "warning")
    assert list(check_restore({"restore": {}})) == [] == list(check_restore({"failed": True}))


def test_a_cluster_that_never_tried_a_backup_has_no_finding_about_it(cluster):
    cluster.store["backup"] = {}
    assert list(check_backup(cluster.store, LIMITS)) == [] and list(check_backup({"failed": True, "msg": "x"}, LIMITS)) == []


def test_targets_without_any_backup_are_a_finding(cluster):
    expected = dataclasses.replace(LIMITS, backup_expected=True)
    (finding,) = check_backup({**cluster.store, "backup": {}}, expected)
    assert (finding.found, finding.severity) == ("no backup that was ever tried", "warning") and "backup_targets is set" in finding.expected
    assert list(check_backup({**cluster.store, "backup": {}}, dataclasses.replace(expected, backup_hours=0))) == []
    # The store was not read, or cannot be.
    assert list(check_backup({}, expected)) == [] == list(check_backup({"failed": True, "msg": "x"}, expected))

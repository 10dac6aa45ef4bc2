# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The repair plan of clusters with nine hosts and fewer."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._health.repair_plan import Policy, plan, text

GROUPS = {"etcd": 3, "master": 2, "worker": 3, "proxy": 1}
POLICY = Policy(meltdown_share=0.34, meltdown_minimum=3, creates_hosts=True)
NOTHING = {
    "meltdown": None, "recreate": [], "start": [], "restart": {}, "configure": [], "load_balancers": False, "waiting": {}, "manual": {},
    "acts": False,
}  # fmt: skip


def finding(host, kind, subject="x", found="y", severity="critical"):
    return {"host": host, "kind": kind, "subject": subject, "found": found, "expected": "z", "severity": severity}


def report(*findings, groups=None, **states):
    """Return the report of a cluster whose hosts are healthy but for those whose state is given; master_0 is master-0."""
    named = {name.replace("_", "-"): state for name, state in states.items()}
    hosts = {
        f"{group}-{index}": {"group": group, "state": named.get(f"{group}-{index}", "healthy"), "units": {"kubelet": {}}}
        for group, number in (groups or GROUPS).items()
        for index in range(number)
    }
    members = [host["state"] for host in hosts.values() if host["group"] == "etcd"]
    healthy = members.count("healthy")
    etcd = {"voters": len(members), "needed": len(members) // 2 + 1, "asked": len(members) - members.count("ignored"), "healthy": healthy}
    return {"hosts": hosts, "cluster": {"etcd": etcd}, "findings": list(findings)}


def done(report_, policy=POLICY):
    """Return the parts of the plan that are not empty."""
    return {name: value for name, value in plan(report_, policy).items() if value != NOTHING[name] and name != "acts"}


def test_a_healthy_cluster_needs_no_repair():
    assert plan(report(), POLICY) == NOTHING
    assert text(plan(report(), POLICY)) == "Nothing to repair."


@pytest.mark.parametrize("name", ["etcd-0", "master-1", "worker-2", "proxy-0"])
def test_an_unreachable_host_is_recreated(name):
    assert done(report(finding(name, "unreachable"), **{name.replace("-", "_"): "unreachable"})) == {"recreate": [name]}


def test_ignored_hosts_are_not_repaired():
    made = plan(report(finding("worker-0", "unreachable"), worker_0="ignored"), POLICY)
    assert not made["acts"]
    assert made["waiting"] == {"worker-0": "ignored by the operator"}


def test_without_a_provider_hosts_need_an_operator():
    made = plan(report(finding("worker-0", "unreachable"), worker_0="unreachable"), Policy(0.34, 3, creates_hosts=False))
    assert not made["acts"]
    assert "no answer, and no provider can recreate the host" in made["manual"]["worker-0"]


def test_the_director_is_never_recreated():
    made = plan(report(groups={**GROUPS, "director": 1}, director_0="unreachable"), POLICY)
    assert not made["acts"]
    assert "has the store" in made["manual"]["director-0"]


@pytest.mark.parametrize(
    ("down", "melts"),
    [
        (["worker_0", "worker_1"], False),
        (["worker_0", "worker_1", "worker_2"], False),
        (["worker_0", "worker_1", "worker_2", "proxy_0"], True),
        (["master_0", "master_1", "proxy_0", "worker_0"], True),
    ],
)
def test_of_the_default_nine_hosts_four_are_a_meltdown(down, melts):
    made = plan(report(**dict.fromkeys(down, "unreachable")), POLICY)
    assert (made["meltdown"] is not None) is melts
    assert made["acts"] is not melts
    assert text(made).startswith("Meltdown: 4 of 9 hosts are unreachable (") is melts


def test_small_clusters_melt_down_by_number_too():
    small = {"etcd": 1, "master": 1, "worker": 1}
    assert plan(report(groups=small, worker_0="unreachable", master_0="unreachable"), POLICY)["recreate"] == ["master-0", "worker-0"]
    assert plan(report(groups=small, worker_0="unreachable", master_0="unreachable", etcd_0="unreachable"), POLICY)["meltdown"]


def test_ignored_hosts_do_not_count_for_a_meltdown():
    states = {**dict.fromkeys(["worker_0", "worker_1", "worker_2"], "unreachable"), "proxy_0": "ignored"}
    assert plan(report(**states), POLICY)["meltdown"]["hosts"] == 8


def test_without_a_quorum_no_member_loses_its_disk():
    made = plan(report(etcd_0="unreachable", etcd_1="unreachable"), POLICY)
    assert made["recreate"] == []
    assert made["start"] == ["etcd-0", "etcd-1"]
    assert "no quorum" in made["manual"]["etcd-1"]


def test_members_are_replaced_one_at_a_time():
    made = plan(report(groups={**GROUPS, "etcd": 5}, etcd_0="unreachable", etcd_1="unreachable"), POLICY)
    assert made["recreate"] == ["etcd-0"]
    assert made["waiting"] == {"etcd-1": "waits for etcd-0: members of etcd are replaced one at a time"}


def test_units_are_restarted():
    failing = [finding("worker-0", "unit", "kubelet"), finding("worker-0", "unit", "containerd"), finding("worker-0", "unit", "kubelet")]
    assert done(report(*failing, worker_0="failing")) == {"restart": {"worker-0": ["kubelet", "containerd"]}}


def test_a_stopped_member_is_started_also_without_a_quorum():
    failing = [finding(name, "unit", "etcd") for name in ("etcd-0", "etcd-1")] + [finding("etcd-2", "etcd", found="no leader")]
    made = plan(report(*failing, etcd_0="failing", etcd_1="failing", etcd_2="failing"), POLICY)
    assert made["restart"] == {"etcd-0": ["etcd"], "etcd-1": ["etcd"]}


def test_units_wait_while_a_dependency_is_down():
    failing = [finding("etcd-0", "unit", "etcd"), finding("master-0", "unit", "kube-apiserver"), finding("worker-0", "node")]
    made = plan(report(*failing, etcd_0="failing", etcd_1="unreachable", master_0="failing", worker_0="failing"), POLICY)
    assert made["restart"] == {"etcd-0": ["etcd"]}
    assert set(made["waiting"]) == {"master-0", "worker-0"}
    without_masters = report(failing[2], master_0="unreachable", master_1="unreachable", worker_0="failing")
    assert plan(without_masters, POLICY)["waiting"] == {"worker-0": "waits: no master is healthy"}


@pytest.mark.parametrize(
    "what",
    [
        finding("worker-0", "job", "dns"),
        finding("worker-0", "certificate", severity="warning"),
        finding("worker-0", "unit", "kubelet", severity="warning"),
    ],
)
def test_site_repairs_the_rest(what):
    assert done(report(what, worker_0="failing")) == {"configure": ["worker-0"]}


def test_a_learner_is_promoted_by_site():
    assert done(report(finding("etcd-0", "etcd", found="a learner"), etcd_0="failing")) == {"configure": ["etcd-0"]}


def test_the_kubelet_is_restarted_for_its_node():
    assert done(report(finding("worker-0", "node"), worker_0="failing")) == {"restart": {"worker-0": ["kubelet"]}}
    empty = report(finding("worker-0", "node"), worker_0="failing")
    empty["hosts"]["worker-0"]["units"] = {}
    assert done(empty) == {"configure": ["worker-0"]}


def test_a_critical_disk_needs_an_operator():
    assert done(report(finding("worker-0", "disk", severity="warning"))) == {}
    assert done(report(finding("worker-0", "disk"), worker_0="failing")) == {"manual": {"worker-0": "disk x: found y, expected z"}}


def test_the_provider_repairs_a_load_balancer():
    broken = report(finding(None, "endpoint"))
    assert done(broken, Policy(0.34, 3, True, creates_load_balancers=True)) == {"load_balancers": True}
    assert done(broken) == {"manual": {"the cluster": "endpoint x: found y, expected z"}}
    assert done(report(finding(None, "endpoint"), proxy_0="unreachable")) == {"recreate": ["proxy-0"]}


def test_an_expired_ca_needs_an_operator():
    assert "the cluster" in done(report(finding(None, "certificate", "CA etcd")))["manual"]


def test_the_text_has_every_action():
    made = plan(report(finding("worker-0", "unit", "kubelet"), finding("etcd-1", "job"), worker_0="failing", proxy_0="unreachable"), POLICY)
    assert text(made).splitlines() == [
        "proxy-0: recreate, or start if it is stopped; then configure",
        "worker-0: restart kubelet",
        "etcd-1: configure",
    ]

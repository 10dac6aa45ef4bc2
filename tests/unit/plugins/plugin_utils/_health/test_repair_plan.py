# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The repair plan of clusters with nine hosts and fewer."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._health.repair_plan import Evidence, Policy, Record, plan, text

GROUPS = {"etcd": 3, "master": 2, "worker": 3, "proxy": 1}
POLICY = Policy(meltdown_share=0.34, meltdown_minimum=3, creates_hosts=True)
NOTHING = {
    "meltdown": None, "recreate": [], "start": [], "restart": {}, "configure": [], "load_balancers": False, "waiting": {}, "manual": {},
    "witnesses": {}, "losses": {}, "acts": False,
}  # fmt: skip
NOW = 1_795_255_200.0  # 2026-11-21T10:00:00Z
READY = {"ready": True, "condition": "Ready", "seconds": 3600}
SILENT = {"ready": False, "condition": "Unknown", "seconds": 5}


def finding(host, kind, subject="x", found="y", severity="critical"):
    return {"host": host, "kind": kind, "subject": subject, "found": found, "expected": "z", "severity": severity}


def member(index, heard=()):
    """Return a member of etcd. etcd-1 is the leader; the members that it has heard have sent it more than they had by the report."""
    received = {"0": 100 + len(heard), **{f"a{other}": 1000 + (other in heard) for other in range(5) if other != index}}
    return {"role": "leader" if index == 1 else "follower", "member_id": f"a{index}", "has_leader": True, "received": received}


def report(*findings, groups=None, **states):
    """Return the report of a cluster whose hosts are healthy but for those whose state is given; master_0 is master-0."""
    named = {name.replace("_", "-"): state for name, state in states.items()}
    hosts = {
        f"{group}-{index}": {
            "group": group, "address": f"10.0.0.{group}-{index}", "state": named.get(f"{group}-{index}", "healthy"), "units": {"kubelet": {}},
            "etcd": member(index) if group == "etcd" and f"{group}_{index}" not in states else None,
        }
        for group, number in (groups or GROUPS).items()
        for index in range(number)
    }  # fmt: skip
    members = [host["state"] for host in hosts.values() if host["group"] == "etcd"]
    healthy = members.count("healthy")
    etcd = {"voters": len(members), "needed": len(members) // 2 + 1, "asked": len(members) - members.count("ignored"), "healthy": healthy}
    return {"hosts": hosts, "cluster": {"etcd": etcd}, "findings": list(findings)}


def all_down(report_):
    """Return the evidence of a provider that has lost every unreachable host."""
    return Evidence(provider={name: "absent" if host["state"] == "unreachable" else "running" for name, host in report_["hosts"].items()})


def planned(report_, policy=POLICY, record=Record(), evidence=None):
    """Return the plan for hosts that are lost."""
    return plan(report_, policy, evidence or all_down(report_), record, {})


def done(report_, policy=POLICY):
    """Return the parts of the plan that are not empty, and no reasons."""
    unwanted = ("acts", "witnesses", "losses")
    return {name: value for name, value in planned(report_, policy).items() if value != NOTHING[name] and name not in unwanted}


def test_a_healthy_cluster_needs_no_repair():
    assert plan(report(), POLICY) == NOTHING
    assert text(plan(report(), POLICY)) == "Nothing to repair."


def test_nothing_is_repaired_while_a_restore_is_unfinished():
    """The members with former data are a quorum, and what they accept would be discarded."""
    restore = finding(None, "restore", "prod-20261129T010003Z.cfcr", "phase begun since 2026-11-29", "warning")
    units = [finding("etcd-0", "unit", "etcd"), finding("worker-0", "job"), finding("worker-2", "unreachable")]
    found = report(restore, *units, etcd_0="failing", worker_2="unreachable")
    made = planned(found)
    assert not made["acts"]
    assert made == {**NOTHING, "manual": {"the cluster": "restore prod-20261129T010003Z.cfcr: found phase begun since 2026-11-29, expected z"}}
    assert planned(report(*units, etcd_0="failing", worker_2="unreachable"))["acts"]


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
    made = planned(report(**dict.fromkeys(down, "unreachable")), dataclasses.replace(POLICY, recreations_per_hour=9))
    assert (made["meltdown"] is not None) is melts
    assert made["acts"] is not melts
    assert text(made).startswith("Meltdown: 4 of 9 hosts are unreachable (") is melts


def test_small_clusters_melt_down_by_number_too():
    small = {"etcd": 1, "master": 1, "worker": 1}
    assert planned(report(groups=small, worker_0="unreachable", master_0="unreachable"))["recreate"] == ["master-0", "worker-0"]
    assert plan(report(groups=small, worker_0="unreachable", master_0="unreachable", etcd_0="unreachable"), POLICY)["meltdown"]


def test_ignored_hosts_do_not_count_for_a_meltdown():
    states = {**dict.fromkeys(["worker_0", "worker_1", "worker_2"], "unreachable"), "proxy_0": "ignored"}
    assert plan(report(**states), POLICY)["meltdown"]["hosts"] == 8


def test_without_a_quorum_no_member_loses_its_disk():
    report_ = report(etcd_0="unreachable", etcd_1="unreachable")
    made = planned(report_, evidence=Evidence(operator=["etcd-0", "etcd-1"]))
    assert made["recreate"] == []
    assert made["start"] == ["etcd-0", "etcd-1"]
    assert "no quorum" in made["manual"]["etcd-1"]
    lost = planned(report_)
    assert (lost["recreate"], lost["start"]) == ([], [])
    assert set(lost["manual"]) == {"etcd-0", "etcd-1"}


def test_members_are_replaced_one_at_a_time():
    made = planned(report(groups={**GROUPS, "etcd": 5}, etcd_0="unreachable", etcd_1="unreachable"))
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


def test_nothing_is_repaired_because_of_a_kubeconfig():
    broken = report(finding(None, "access"))
    assert done(broken, Policy(0.34, 3, True, creates_load_balancers=True)) == {"manual": {"the cluster": "access x: found y, expected z"}}


def test_an_expired_ca_needs_an_operator():
    assert "the cluster" in done(report(finding(None, "certificate", "CA etcd")))["manual"]


def test_the_text_has_every_action():
    made = planned(report(finding("worker-0", "unit", "kubelet"), finding("etcd-1", "job"), worker_0="failing", proxy_0="unreachable"))
    assert text(made).splitlines() == [
        "proxy-0: recreate, because its provider says that it is absent; then configure",
        "worker-0: restart kubelet",
        "etcd-1: configure",
    ]


# The table of the second witness: what a provider says, what those say that use the host, and what repair does then.
SERVICES = {"works": "manual", "down": "recreate", "unknown": "manual", "a moment": "waiting"}
PROVIDERS = {"running": None, "unknown": None, "stopped": "start", "absent": "recreate"}


def witnessed(group, service, state):
    """Return the report and the evidence for the first host of a group, which SSH does not reach."""
    name = f"{group}-0"
    report_ = report(finding(name, "unreachable"), **{f"{group}_0": "unreachable"})
    host = report_["hosts"][name]
    host["error"] = "timed out"
    states = {other: "running" for other in report_["hosts"]}
    states = {**states, name: state} if state != "unknown" else {}
    nodes, probes, members = None, {}, {}
    if group == "worker" and service != "unknown":
        moment = {"ready": False, "condition": "NotReady", "seconds": 4}
        nodes = {host["address"]: {"works": READY, "down": SILENT, "a moment": moment}[service]}
    elif group == "etcd":
        heard = {"works": [0, 2], "down": [2]}.get(service)
        members = {} if heard is None else {"etcd-1": member(1, heard), "etcd-2": member(2, [1])}
    elif service in ("works", "down"):
        probes = {name: None if service == "works" else "timed out"}
    return report_, Evidence(states, nodes, members, probes)


@pytest.mark.parametrize(("group", "service", "state"), list(itertools.product(GROUPS, SERVICES, PROVIDERS)))
def test_a_host_is_recreated_only_if_a_second_witness_says_that_it_is_down(group, service, state):
    if service == "a moment" and group != "worker":
        service = "unknown"
    report_, evidence = witnessed(group, service, state)
    made = plan(report_, POLICY, evidence, Record(), {})
    expected = PROVIDERS[state] or SERVICES[service]
    name = f"{group}-0"
    assert [kind for kind in ("recreate", "start", "waiting", "manual") if name in made[kind]] == [expected]
    assert made["acts"] is (expected in ("recreate", "start"))
    if expected == "manual":
        reason = "but" if service == "works" else "and no second witness says that it is down"
        assert made["manual"][name].startswith(f"not reachable by SSH (timed out), {reason}")
        assert f"-e repair_recreate={name}" in made["manual"][name]
    # Nobody can force more than the operator, who is a witness, too.
    forced = plan(report_, POLICY, dataclasses.replace(evidence, operator=[name]), Record(), {})
    assert name in (forced["start"] if state == "stopped" else forced["recreate"])
    # Without a provider nothing is done in any case, and with a limit of none only stopped hosts are started.
    assert not plan(report_, dataclasses.replace(POLICY, creates_hosts=False), evidence)["acts"]
    limited = plan(report_, dataclasses.replace(POLICY, recreations_per_hour=0), evidence)
    assert limited["recreate"] == []
    assert limited["start"] == made["start"]


@pytest.mark.parametrize(
    ("service", "says"),
    [
        ("worker", "its Node is Ready"),
        ("etcd", "other members receive messages of its etcd member"),
        ("master", "its API server answers"),
        ("proxy", "its HAProxy answers"),
    ],
)
def test_the_plan_names_the_witness_that_says_that_a_host_works(service, says):
    report_, evidence = witnessed(service, "works", "running")
    assert f"{service}-0: needs an operator; not reachable by SSH (timed out), but {says}: " in text(plan(report_, POLICY, evidence))


@pytest.mark.parametrize(
    ("silent", "now", "says"),
    [
        ([0], {1: [2], 2: [1]}, "down"),
        ([0], {1: [0, 2], 2: [1]}, "works"),
        ([0], {1: [2], 2: [0, 1]}, "works"),  # a member may lie, or be cut off
        ([0], {2: []}, "unknown"),  # only the leader hears followers
        ([1], {0: [1], 2: [1]}, "works"),  # it still leads
        ([1], {0: [2], 2: [0]}, "unknown"),  # the next run finds a new leader
        ([2, 3], {0: [1], 1: [0, 2, 3, 4], 4: [1]}, "works"),
        ([2, 3], {0: [1], 1: [0, 4], 4: [1]}, "down"),
        ([2, 3], {0: [1], 1: [0, 2, 4], 4: [1]}, "unknown"),  # nobody knows which one
        ([0], {}, "unknown"),
    ],
)
def test_members_of_etcd_are_witnesses_by_the_messages_that_they_receive(silent, now, says):
    count = 5 if len(silent) > 1 else 3
    report_ = report(groups={**GROUPS, "etcd": count}, **{f"etcd_{index}": "unreachable" for index in silent})
    made = plan(report_, POLICY, Evidence(members={f"etcd-{index}": member(index, heard) for index, heard in now.items()}))
    name = f"etcd-{silent[0]}"
    assert made["recreate"] == ([name] if says == "down" else [])
    if says != "down":
        assert ("but other members receive" in made["manual"][name]) is (says == "works")


def test_a_restarted_member_has_counted_from_zero():
    restarted = {**member(1), "received": {"0": 5, "a2": 7}}
    made = plan(report(etcd_0="unreachable"), POLICY, Evidence(members={"etcd-1": restarted, "etcd-2": member(2)}))
    assert made["recreate"] == ["etcd-0"]


def test_a_worker_without_a_node_is_down():
    report_, evidence = witnessed("worker", "works", "running")
    made = plan(report_, POLICY, dataclasses.replace(evidence, nodes={}), Record(), {})
    assert made["witnesses"] == {"worker-0": "it has no Node"}


@pytest.mark.parametrize(("seconds", "kind"), [(0, "waiting"), (29, "waiting"), (30, "recreate")])
def test_a_kubelet_that_says_it_is_not_ready_has_a_moment(seconds, kind):
    report_, evidence = witnessed("worker", "works", "running")
    node = {"ready": False, "condition": "NotReady", "seconds": seconds}
    assert "worker-0" in plan(report_, POLICY, dataclasses.replace(evidence, nodes={"10.0.0.worker-0": node}))[kind]


def test_a_provider_that_has_none_of_the_hosts_is_no_witness():
    report_ = report(worker_0="unreachable")
    elsewhere = Evidence(provider=dict.fromkeys(report_["hosts"], "absent"))
    assert not plan(report_, POLICY, elsewhere)["acts"]
    assert plan(report_, POLICY, all_down(report_))["acts"]


def test_masters_are_repaired_also_if_the_api_is_down():
    report_ = report(master_0="unreachable", master_1="unreachable", worker_0="unreachable", groups={**GROUPS, "worker": 5})
    evidence = Evidence(probes={"master-0": "timed out", "master-1": "timed out"})
    made = plan(report_, POLICY, evidence)
    assert made["recreate"] == ["master-0", "master-1"]
    assert "no second witness" in made["manual"]["worker-0"]


def test_a_host_that_answers_is_not_dead_until_an_operator_says_so():
    report_ = report(finding("worker-0", "answer", found="module failed: no Python"), worker_0="failing")
    report_["hosts"]["worker-0"]["error"] = "module failed: no Python"
    made = plan(report_, POLICY, Evidence(nodes={"10.0.0.worker-0": SILENT}))
    assert not made["acts"]
    assert "module failed" in made["manual"]["worker-0"]
    made = plan(report_, POLICY, Evidence(operator=["worker-0"]), Record(), {})
    assert (made["recreate"], made["manual"], made["witnesses"]) == (["worker-0"], {}, {"worker-0": "an operator wants it"})


def test_a_healthy_host_is_not_recreated_for_an_operator():
    made = plan(report(), POLICY, Evidence(operator=["worker-0"]))
    assert not made["acts"]
    assert "it answers" in made["waiting"]["worker-0"]


def before(*minutes):
    """Return a record with recreations so many minutes ago."""
    return Record([{"host": "x", "at": NOW - 60 * ago} for ago in minutes], NOW)


@pytest.mark.parametrize(
    ("record", "recreated", "until"),
    [
        (before(), ["etcd-0", "master-0"], "11:00:00"),
        (before(61), ["etcd-0", "master-0"], "11:00:00"),
        (before(20), ["etcd-0"], "10:40:00"),
        (before(20, 50), [], "10:10:00"),
        (before(10, 20, 50), [], "10:40:00"),  # the limit was lowered
        (before(-20), ["etcd-0"], "11:00:00"),  # the clock was set back
        (before(-20, -30), [], "11:20:00"),
        (before(-61, -86400), ["etcd-0", "master-0"], "11:00:00"),
    ],
)
def test_no_more_hosts_are_recreated_than_the_limit_per_hour(record, recreated, until):
    made = planned(report(worker_0="unreachable", master_0="unreachable", etcd_0="unreachable"), record=record)
    assert made["recreate"] == recreated
    assert set(made["waiting"]) == {"etcd-0", "master-0", "worker-0"} - set(recreated)
    for reason in made["waiting"].values():
        assert reason.startswith("its provider says that it is absent; waits: ")
        assert reason.endswith(f"expected 2 at most (repair_recreations_per_hour); the next one is possible at 2026-11-21T{until}Z")


def test_a_host_that_is_only_started_does_not_count():
    report_ = report(worker_0="unreachable", worker_1="unreachable")
    evidence = Evidence(provider={**dict.fromkeys(report_["hosts"], "running"), "worker-0": "stopped", "worker-1": "absent"})
    made = plan(report_, POLICY, evidence, before(10), {})
    assert (made["start"], made["recreate"]) == (["worker-0"], ["worker-1"])
    assert plan(report_, POLICY, evidence, before(10, 20), {})["start"] == ["worker-0"]


def test_a_damaged_record_stops_recreations():
    made = planned(report(worker_0="unreachable"), record=Record(problem="damaged"))
    assert not made["acts"]
    assert made["manual"]["worker-0"].endswith("cannot be checked: damaged")


def test_the_plan_names_what_is_lost():
    report_ = report(worker_0="unreachable", etcd_0="unreachable")
    many = [f"pv-{number} (db/data-{number})" for number in range(7)]
    made = plan(report_, POLICY, all_down(report_), Record(), {"10.0.0.worker-0": many, "10.0.0.worker-1": ["other"]})
    assert text(made).splitlines() == [
        "etcd-0: recreate, because its provider says that it is absent; then configure",
        "etcd-0: loses its copy of the etcd data; the new member copies it from the others",
        "worker-0: recreate, because its provider says that it is absent; then configure",
        "worker-0: loses local volumes for good: pv-0 (db/data-0), pv-1 (db/data-1), pv-2 (db/data-2), pv-3 (db/data-3), pv-4 (db/data-4) and 2 more",
    ]
    assert "the API did not list them" in plan(report_, POLICY, all_down(report_), Record(), None)["losses"]["worker-0"]
    assert "worker-0" not in plan(report_, POLICY, all_down(report_), Record(), {})["losses"]

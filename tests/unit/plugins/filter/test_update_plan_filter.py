# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of an update from a health report and the variables of the operator."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.cfcr.kubernetes.plugins.filter.update_plan import update_plan
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.updates import reached_in
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog.catalog import load, record
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._update.plan import COMPONENTS

OLD = load("1.35")
GROUPS = {"etcd-0": "etcd", "master-0": "master", "worker-0": "worker", "worker-1": "worker"}


def row(group):
    releases = {name: OLD["components"][name]["version"] for name in COMPONENTS[group]}
    return {"group": group, "zone": "", "state": "healthy", "error": None, "etcd": None, "releases": releases}


def planned(to="1.36", hosts=None, report=None, in_play=None, **options):
    rows = {**{name: row(group) for name, group in GROUPS.items()}, **(hosts or {})}
    return update_plan({"hosts": rows, "cluster": {"nodes": {}}, "findings": []} | (report or {}), record(OLD["versions"]), to, hosts=in_play, **options)


def phases(made):
    return [step["phase"] for step in made["steps"]]


def test_versions_are_those_of_the_catalog():
    made = planned()
    assert phases(made) == ["etcd", "emulation", "masters", "workers"]
    assert made["to"] == record(load("1.36")["versions"]) and made["from"] == record(OLD["versions"])
    assert phases(planned(record(load("1.36")["versions"]))) == phases(made)
    assert phases(planned(1.36)) == phases(made), "a number from the command line"


def test_hosts_outside_the_update():
    hosts = {
        "worker-1": {"group": "worker", "zone": "", "state": "unreachable", "error": "timed out"},
        "worker-2": {**row("worker"), "state": "ignored"},
        "etcd-1": {"group": "etcd", "zone": "", "state": "removed", "error": None, "etcd": None},
        "director": {**row("etcd"), "group": "director"},
    }
    made = planned(hosts=hosts)
    assert made["steps"][-1]["batches"] == [["worker-0"]] and made["left_out"] == {"worker-1": "does not answer", "worker-2": "is in group ignored"}


@pytest.mark.parametrize(("node", "goes"), [({"ready": True, "version": "v1.36.3"}, False), ({"ready": False, "version": "v1.36.3"}, True), (None, True)])
def test_a_ready_kubelet_that_is_left_out_holds_the_masters_of_a_way_back(node, goes):
    new = load("1.36")
    hosts = {name: {**row(group), "releases": {its: new["components"][its]["version"] for its in COMPONENTS[group]}} for name, group in GROUPS.items()}
    hosts["worker-1"] |= {"state": "ignored", "node": node}
    if goes:
        assert phases(planned("1.35", hosts=hosts, rollback=True)) == ["workers", "masters", "etcd"]
        return
    with pytest.raises(AnsibleFilterError, match="worker-1: found kubelet 1.36.3 on a worker that is in group ignored"):
        planned("1.35", hosts=hosts, rollback=True)


@pytest.mark.parametrize(("group", "reason"), [("etcd", "one more is stopped at a time"), ("master", "its API server may still serve another minor than 1.36")])
def test_an_ignored_host_counts_for_the_rules(group, reason):
    """It may well run."""
    rows = {f"{group}-1": row(group), f"{group}-2": {**row(group), "state": "ignored"}}
    with pytest.raises(AnsibleFilterError, match=f"group {group}: found that {group}-2 is in group ignored, expected every host, since {reason}"):
        planned(hosts=rows)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"to": "1.99"}, "found '1.99', expected one of 1.35"),
        ({"to": "1.35"}, None),
        ({"drain": "no"}, "update_drain: found 'no', expected one of auto"),
        ({"skip_drain": ["worker-9"]}, "update_skip_drain: found worker-9"),
        ({"recreate": ["worker-9"]}, "update_recreate: found worker-9, expected true, hosts of the cluster, or groups of etcd"),
        ({"reboot": "no"}, "update_reboot: found 'no', expected one of auto"),
        ({"policies": {"worker": {"canaries": "101%", "max_in_flight": "1"}}}, "update_canaries: found '101%', expected a whole number or a percentage"),
        ({"policies": {"worker": {"canaries": "1", "max_in_flight": "-1"}}}, "update_max_in_flight: found '-1'"),
        *(
            ({"to": "1.35", "watch_times": {"update_watch_time": ["1-300", value]}}, refused and f"update_watch_time: found '{value}', expected seconds")
            for value, refused in (
                (60, False), ("60", False), ("0-0", False), ("10-3600", False), ("1m-5m", True), ("30000-600000", True), ("300-10", True), ("10-", True),
                ("-5", True), ("0-3601", True), ("", True), (3601, True), (0.5, True),
            )
        ),
    ],
)
def test_bad_options_are_refused(options, found):
    if not found:
        assert planned(**options)["steps"] == []
        return
    with pytest.raises(AnsibleFilterError, match=found):
        planned(**options)


@pytest.mark.parametrize(
    ("recreate", "hosts"),
    [
        ([], []), (["True"], [*GROUPS]), (["yes"], [*GROUPS]), (["worker-1", "master"], ["master-0", "worker-1"]), (["worker"], ["worker-0", "worker-1"]),
    ],
)  # fmt: skip
def test_hosts_and_groups_to_recreate(recreate, hosts):
    rows = {f"etcd-{number}": row("etcd") for number in (1, 2)}
    made = planned(to="1.35", hosts=rows, recreate=recreate, machines=dict.fromkeys((*GROUPS, *rows), "running"))
    assert [name for step in made["steps"] for name in step["recreate"] if name not in rows] == hosts


def test_a_host_with_a_problem_is_left_out_and_named():
    """A full disk, for example: preflight fails the host, so it is not in the play."""
    made = planned(hosts=None, in_play=["etcd-0", "master-0", "worker-1"])
    assert made["steps"][-1]["batches"] == [["worker-1"]] and made["left_out"] == {"worker-0": "has a problem that is named above"}
    rows = {"master-1": row("master")}
    with pytest.raises(AnsibleFilterError, match="group master: found that master-1 has a problem that is named above, expected every host"):
        planned(hosts=rows, in_play=list(GROUPS))


def test_an_api_that_refuses_the_health_user_is_no_api_without_nodes():
    finding = {"host": None, "kind": "access", "found": "GET /api/v1/nodes: 403 Forbidden"}
    with pytest.raises(AnsibleFilterError, match="the API: found GET /api/v1/nodes: 403 Forbidden, expected a list of nodes"):
        planned(report={"cluster": {"nodes": None}, "findings": [finding]})


def test_masters_that_emulate_since_an_update_that_was_given_up_stop_that():
    """They have the new binaries, so their versions do not differ."""
    new = {name: its["version"] for name, its in load("1.36")["components"].items()}
    masters = {"master-0": {**row("master"), "releases": {name: new[name] for name in COMPONENTS["master"]}}}
    former = planned()
    emulation = phases(former).index("emulation")
    record = {**former, "finished": False, "done": {str(emulation): ["master-0"]}}
    assert phases(planned(hosts=masters)) == ["etcd", "workers"]
    made = planned(hosts=masters, former=record)
    assert phases(made) == ["etcd", "masters", "workers"] and made["steps"][1]["emulated"] == ""
    given_up = {**made, "finished": False, "done": {}, "reached": reached_in(record)}
    assert phases(planned(hosts=masters, former=given_up)) == phases(made), "the second plan ended before the masters"
    record["done"][str(emulation + 1)] = ["master-0"]
    assert phases(planned(hosts=masters, former=record)) == phases(planned(hosts=masters, former={**record, "finished": True})) == ["etcd", "workers"]


def test_hosts_that_have_joined_since_the_plan_was_made():
    """One with other versions, which nothing would bring to the new ones before the others. A new machine can wait for site.yml."""
    former = {**planned(), "finished": False, "done": {}}
    new = {"releases": {name: its["version"] for name, its in load("1.36")["components"].items() if name in COMPONENTS["worker"]}}
    hosts = {"worker-2": row("worker"), "worker-3": {**row("worker"), "releases": {}}, "worker-4": {**row("worker"), **new}, "master-1": row("master")}
    assert planned(hosts=hosts, former=former)["unplanned"] == ["master-1", "worker-2"]
    assert planned(hosts=hosts, former=former, configuration=True)["unplanned"] == ["master-1", "worker-2"]
    assert planned(hosts=hosts, former={**former, "finished": True})["unplanned"] == [] == planned(hosts=hosts)["unplanned"]
    assert planned(former=former)["unplanned"] == []


def test_a_master_that_has_joined_while_the_others_emulate_needs_another_plan():
    """It emulates as well, and the kubelets of the new minor must not meet that."""
    new = {name: its["version"] for name, its in load("1.36")["components"].items()}
    masters = {name: {**row("master"), "releases": {its: new[its] for its in COMPONENTS["master"]}} for name in ("master-0", "master-1")}
    made = planned()
    record = {**made, "finished": False, "done": {str(phases(made).index("emulation")): ["master-0"]}}
    again = planned(hosts=masters, former=record)
    assert again["unplanned"] == ["master-1"] and [step["batches"] for step in again["steps"] if step["group"] == "master"] == [[["master-0"], ["master-1"]]]
    record["done"][str(phases(made).index("masters"))] = ["master-0"]
    assert planned(hosts=masters, former=record)["unplanned"] == []


def test_a_host_that_a_killed_run_has_changed_is_in_the_plan_that_follows():
    """Its programs are new, but it may still run the old ones, and the record does not know that it has them."""
    new = {name: its["version"] for name, its in load("1.36")["components"].items()}

    def changed(*names):
        return {name: {**row(GROUPS[name]), "releases": {its: new[its] for its in COMPONENTS[GROUPS[name]]} | {"crictl": "1"}} for name in names}

    former = {**planned(), "finished": False, "done": {"0": ["etcd-0"]}}
    hosts = changed("etcd-0", "master-0", "worker-0")
    made = planned(hosts=hosts, former=former)
    assert phases(planned(hosts=hosts)) == phases(planned(hosts=hosts, former={**former, "finished": True})) == ["workers"]
    assert [(step["phase"], step["batches"]) for step in made["steps"]] == [("masters", [["master-0"]]), ("workers", [["worker-0"], ["worker-1"]])]
    assert set(made["steps"][-1]["drain"]) == {"worker-0", "worker-1"} and made["unplanned"] == []
    # On the way back, the run was killed before it recorded worker-1.
    back = planned(to="1.35", hosts=changed(*GROUPS), former={**former, "done": {"3": ["worker-0", "worker-1"]}}, rollback=True)
    reached = {name: {"versions": former["to"], "emulated": ""} for name in GROUPS}
    record = {**back, "finished": False, "reached": reached, "done": {"0": ["worker-0"]}}
    made = planned(to="1.35", hosts=changed("etcd-0", "master-0"), former=record, rollback=True)
    assert made["steps"][0]["batches"] == [["worker-1"]] and "worker-1" in made["steps"][0]["drain"]

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of an update, without Ansible and without hosts."""

from __future__ import annotations

import dataclasses
import json

import pytest
from ansible_collections.cfcr.kubernetes.plugins.filter.update_progress import update_progress
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.obstacles import nothing
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._update.plan import COMPONENTS, Host, Policy, Refused, Release, Request, plan
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._update.text import changes, text

KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")


def release(kubernetes, etcd="3.6.16", containerd="2.4.2"):
    versions = {"kubernetes": kubernetes, "etcd": etcd, "containerd": containerd, "runc": "1.5.2", "cni-plugins": "1.9.1", "flannel": "0.28.10"}
    return Release(versions, {**dict.fromkeys(KUBERNETES, kubernetes), **{name: version for name, version in versions.items() if name != "kubernetes"}})


OLD, NEW, NEWER = release("1.35.4", "3.6.15", "2.3.7"), release("1.36.3"), release("1.37.2", "3.7.3")
LOCKS = {"1.35": OLD, "1.36": NEW, "1.37": NEWER}


def cluster(at=OLD, workers=3, zones=1, **releases):
    """Return nine hosts, or more workers, at a release; etcd-0 leads."""
    names = [*(f"etcd-{n}" for n in range(3)), "master-0", "master-1", *(f"worker-{n}" for n in range(workers)), "proxy-0"]
    hosts = {}
    for name in names:
        group, number = name.split("-")
        its = releases.get(name.replace("-", "_"), at)
        components = its and {component: its.components[component] for component in COMPONENTS[group]}
        hosts[name] = Host(group, f"z{int(number) % zones}", components, name == "etcd-0")
    return hosts


def planned(hosts=None, now=OLD, to=NEW, **options):
    return plan(hosts or cluster(now), Request(now, to, LOCKS, **options))


def shown(made):
    return [(step["phase"], step["versions"]["kubernetes"], step["emulated"], step["batches"]) for step in made["steps"]]


def of_workers(made):
    """Return the step of the workers."""
    (step,) = [step for step in made["steps"] if step["phase"] == "workers"]
    return step


def test_a_minor():
    made = planned()
    assert shown(made) == [
        ("etcd", "1.36.3", "", [["etcd-1"], ["etcd-2"], ["etcd-0"]]),
        ("emulation", "1.36.3", "1.35", [["master-0"], ["master-1"]]),
        ("masters", "1.36.3", "", [["master-0"], ["master-1"]]),
        ("workers", "1.36.3", "", [["worker-0"], ["worker-1"], ["worker-2"]]),
        ("proxies", "1.36.3", "", [["proxy-0"]]),
    ]
    assert of_workers(made)["drain"]["worker-0"] == "kubelet 1.35.4 to 1.36.3"
    json.dumps(made)


def test_a_patch_touches_only_what_differs_and_drains_nobody():
    made = planned(cluster(NEW), NEW, release("1.36.4"))
    assert [step["phase"] for step in made["steps"]] == ["masters", "workers", "proxies"]
    assert of_workers(made)["drain"] == {}


def test_etcd_alone():
    assert shown(planned(cluster(NEW), NEW, release("1.36.3", "3.6.17"))) == [("etcd", "1.36.3", "", [["etcd-1"], ["etcd-2"], ["etcd-0"]])]


def test_another_minor_of_containerd_drains():
    made = planned(cluster(NEW), NEW, release("1.36.3", containerd="2.5.0"))
    assert [(step["phase"], set(step["drain"].values())) for step in made["steps"]] == [("workers", {"containerd 2.4.2 to 2.5.0"})]


def test_a_plan_with_more_steps_than_the_playbook_has_plays_is_refused():
    """Three hops with emulation."""
    newest = release("1.38.0", "3.7.3")
    request = Request(release("1.35.4", "3.6.16"), newest, {**LOCKS, "1.38": newest})
    with pytest.raises(Refused, match=r"cluster_kubernetes_version: found 9 steps to 1.38.0, expected 8 at most, .*: update to a minor in between first"):
        plan(cluster(request.now), request)
    assert len(plan(cluster(request.now), dataclasses.replace(request, emulate=False))["steps"]) == 6


def test_two_minors_are_two_hops_of_the_masters_and_one_drain_of_each_worker():
    made = planned(to=NEWER, hosts=cluster(release("1.35.4", "3.6.16")))
    assert [(phase, version, emulated) for phase, version, emulated, _batches in shown(made)] == [
        ("etcd", "1.37.2", ""),
        ("emulation", "1.36.3", "1.35"),
        ("masters", "1.36.3", ""),
        ("emulation", "1.37.2", "1.36"),
        ("masters", "1.37.2", ""),
        ("workers", "1.37.2", ""),
        ("proxies", "1.37.2", ""),
    ]


def test_without_emulation():
    assert [step["phase"] for step in planned(emulate=False)["steps"]] == ["etcd", "masters", "workers", "proxies"]


def test_a_new_master_emulates_like_the_others():
    """An interrupted run has left it without an API server. It is the first one with the new minor."""
    hosts = cluster()
    hosts["master-1"] = hosts["master-1"]._replace(releases={})
    assert shown(planned(hosts))[1:3] == [
        ("emulation", "1.36.3", "1.35", [["master-1"], ["master-0"]]), ("masters", "1.36.3", "", [["master-1"], ["master-0"]]),
    ]  # fmt: skip


def test_hosts_that_have_the_versions_fall_out():
    made = planned(cluster(etcd_1=NEW, master_0=NEW, worker_2=NEW))
    assert shown(made)[0][3] == [["etcd-2"], ["etcd-0"]]
    assert shown(made)[1] == ("emulation", "1.36.3", "1.35", [["master-1"]])
    assert shown(made)[2][3] == [["master-0"], ["master-1"]]
    assert of_workers(made)["batches"] == [["worker-0"], ["worker-1"]]


def test_a_worker_that_missed_an_update_is_drained_by_the_same_one():
    made = planned(cluster(NEW, worker_1=OLD), NEW, NEW)
    assert [(step["phase"], step["batches"], step["drain"]) for step in made["steps"]] == [
        ("workers", [["worker-1"]], {"worker-1": "kubelet 1.35.4 to 1.36.3"}),
    ]  # fmt: skip


def test_nothing_to_do():
    made = planned(cluster(NEW), NEW, NEW)
    assert made["steps"] == [] and text(made) == ["Nothing to update."]


def test_configuration_reaches_every_host_without_a_drain():
    made = planned(cluster(NEW), NEW, NEW, configuration=True)
    assert [(step["phase"], sum(map(len, step["batches"])), step["drain"]) for step in made["steps"]] == [
        ("etcd", 3, {}), ("masters", 2, {}), ("workers", 3, {}), ("proxies", 1, {}),
    ]  # fmt: skip


KERNEL = {"packages": ["linux-image-6.1.0-41-amd64", "openssl"], "reboot": ""}
OPENSSL = {"packages": ["openssl"], "reboot": ""}
NOTHING = {"packages": [], "reboot": ""}
ASKS = {"packages": [], "reboot": "a package asks for it"}


def upgrades(made):
    return {name: its for step in made["steps"] for name, its in step["packages"].items()}


def test_packages_reach_only_hosts_that_have_newer_ones_and_drain_only_workers_that_reboot():
    found = {"etcd-1": KERNEL, "master-0": OPENSSL, "worker-0": NOTHING, "worker-1": OPENSSL, "worker-2": KERNEL}
    made = planned(cluster(NEW), NEW, NEW, packages=found)
    assert shown(made) == [
        ("etcd", "1.36.3", "", [["etcd-1"]]), ("masters", "1.36.3", "", [["master-0"]]), ("workers", "1.36.3", "", [["worker-1"], ["worker-2"]]),
    ]  # fmt: skip
    assert upgrades(made) == {
        "etcd-1": {"count": 2, "reboot": "for a new kernel"},
        "master-0": {"count": 1, "reboot": ""},
        "worker-1": {"count": 1, "reboot": ""},
        "worker-2": {"count": 2, "reboot": "for a new kernel"},
    }
    assert [step["drain"] for step in made["steps"]] == [{}, {}, {"worker-2": "reboot"}]
    assert text(made)[0] == "Update: the same versions, packages of the OS"
    assert text(made)[2] == "   - etcd-1 (2 packages; reboots: for a new kernel)"
    assert text(made)[-1] == "   - worker-2 (drained: reboot; 2 packages; reboots: for a new kernel)"
    assert planned(cluster(NEW), NEW, NEW, packages={"worker-0": NOTHING})["steps"] == []


@pytest.mark.parametrize(
    ("reboot", "found", "reasons"),
    [
        ("auto", ASKS, ["a package asks for it"]),
        ("auto", OPENSSL, [""]),
        ("auto", NOTHING, []),
        ("always", NOTHING, ["update_reboot is always"]),
        ("never", KERNEL, [""]),
        ("never", ASKS, []),
    ],
)
def test_which_hosts_reboot(reboot, found, reasons):
    made = planned(cluster(NEW), NEW, NEW, packages={"worker-0": found}, reboot=reboot)
    assert [its["reboot"] for its in upgrades(made).values()] == reasons
    assert [len(step["drain"]) for step in made["steps"]] == [int(bool(reason)) for reason in reasons]


def test_a_reboot_drains_as_the_operator_wants():
    found = {"worker-0": KERNEL, "worker-1": KERNEL}
    assert list(planned(cluster(NEW), NEW, NEW, packages=found, skip_drain=["worker-1"])["steps"][0]["drain"]) == ["worker-0"]
    assert planned(cluster(NEW), NEW, NEW, packages=found, drain="never")["steps"][0]["drain"] == {}


MACHINES = dict.fromkeys(cluster(), "running")


def test_hosts_are_recreated_with_a_drain_and_without_packages():
    made = planned(cluster(NEW), NEW, NEW, recreate=["etcd-1", "worker"], machines=MACHINES, packages={"worker-0": KERNEL, "proxy-0": OPENSSL})
    assert shown(made) == [
        ("etcd", "1.36.3", "", [["etcd-1"]]), ("workers", "1.36.3", "", [["worker-0"], ["worker-1"], ["worker-2"]]), ("proxies", "1.36.3", "", [["proxy-0"]]),
    ]  # fmt: skip
    assert [step["recreate"] for step in made["steps"]] == [["etcd-1"], ["worker-0", "worker-1", "worker-2"], []]
    assert of_workers(made)["drain"] == dict.fromkeys(("worker-0", "worker-1", "worker-2"), "recreation") and list(upgrades(made)) == ["proxy-0"]
    assert text(made)[0] == "Update: the same versions, packages of the OS, recreated hosts"
    assert text(made)[2] == "   - etcd-1 (recreated)" and "   - worker-2 (drained: recreation; recreated)" in text(made)


def test_all_hosts_are_recreated_once():
    """The leader of etcd is last, and masters are recreated in their last step."""
    made = planned(recreate=["all"], machines=MACHINES)
    assert [(step["phase"], len(step["recreate"])) for step in made["steps"]] == [
        ("etcd", 3), ("emulation", 0), ("masters", 2), ("workers", 3), ("proxies", 1),
    ]  # fmt: skip
    assert made["steps"][0]["batches"] == [["etcd-1"], ["etcd-2"], ["etcd-0"]]


def test_a_new_machine_that_has_no_member_yet_comes_before_another_one_is_down():
    hosts = cluster(NEW)
    hosts["etcd-2"] = hosts["etcd-2"]._replace(releases={})
    assert shown(planned(hosts, NEW, NEW, recreate=["etcd"], machines=MACHINES))[0][3] == [["etcd-2"], ["etcd-1"], ["etcd-0"]]


@pytest.mark.parametrize(
    ("hosts", "options", "found"),
    [
        (cluster(NEW), {}, "found hosts that role iaas has not created, expected the inventory that it has written"),
        (cluster(NEW), {"machines": {**MACHINES, "worker-1": "stopped"}}, "the machine of worker-1 is stopped at the provider"),
        (cluster(NEW), {"machines": {}}, "the machine of etcd-0 is absent at the provider"),
        ({name: host for name, host in cluster(NEW).items() if name not in ("etcd-1", "etcd-2")}, {"machines": MACHINES}, "found 1 members of etcd"),
        (cluster(NEW, etcd_1=None), {"machines": MACHINES}, "group etcd: found that etcd-1 does not answer"),
    ],
    ids=["no provider", "stopped", "unknown", "one member", "dead member"],
)
def test_recreations_that_are_refused(hosts, options, found):
    with pytest.raises(Refused, match=found):
        planned(hosts, NEW, NEW, recreate=["all"], **options)


def test_local_volumes_of_recreated_workers_are_named():
    hosts = cluster(NEW)
    hosts["worker-0"] = hosts["worker-0"]._replace(address="10.0.0.21")
    volumes = {"10.0.0.21": ["pvc-5f2c (default/data-db-0)"], "10.0.0.22": ["other"]}
    assert planned(hosts, NEW, NEW, recreate=["worker"], machines=MACHINES, volumes=volumes)["warnings"] == [
        "worker-0 loses local volumes for good: pvc-5f2c (default/data-db-0)"
    ]


def test_masters_get_their_packages_in_their_last_step():
    """A master that has the new version already does not emulate because of its packages."""
    found = {"master-0": KERNEL, "master-1": KERNEL}
    made = planned(cluster(release("1.35.4", "3.6.16")), to=NEWER, packages=found)
    assert [sorted(step["packages"]) for step in made["steps"] if step["group"] == "master"] == [[], [], [], ["master-0", "master-1"]]
    made = planned(cluster(master_0=NEW), packages=found)
    assert shown(made)[1] == ("emulation", "1.36.3", "1.35", [["master-1"]])


@pytest.mark.parametrize(
    ("policy", "sizes"),
    [
        (Policy("1", "1"), [1] * 20),
        (Policy("2", "10%"), [2] * 10),
        (Policy("1", "5"), [1, 5, 5, 5, 4]),
        (Policy("0", "100%"), [20]),
        (Policy("1", "1%"), [1] * 20),
        (Policy("25%", "50%"), [5, 10, 5]),
    ],
)
def test_canaries_and_batches(policy, sizes):
    made = planned(cluster(workers=20), policies={"worker": policy})
    assert list(map(len, of_workers(made)["batches"])) == sizes
    assert len({name for batch in of_workers(made)["batches"] for name in batch}) == 20


def test_a_batch_is_within_one_zone_and_canaries_are_of_the_first():
    batches = of_workers(planned(cluster(workers=7, zones=3), policies={"worker": Policy("2", "2")}))["batches"]
    assert batches == [["worker-0", "worker-3"], ["worker-6"], ["worker-1", "worker-4"], ["worker-2", "worker-5"]]


@pytest.mark.parametrize("zones", [1, 2, 3, 5])
@pytest.mark.parametrize(("canaries", "most", "limit"), [("1", "10%", 2), ("1", "3", 3), ("2", "25%", 5), ("0", "100%", 20), ("50%", "4", 4)])
def test_batches_of_several_workers_never_span_zones(zones, canaries, most, limit):
    """The canaries are of the first zone, and a zone is complete before the next one begins."""
    hosts = cluster(workers=20, zones=zones)
    made = planned(hosts, policies={"worker": Policy(canaries, most)})
    batches = of_workers(made)["batches"]
    places = [{hosts[name].zone for name in batch} for batch in batches]
    assert all(len(its) == 1 for its in places)
    order = [its.pop() for its in places]
    assert order == sorted(order) and len(set(order)) == zones
    assert sorted(name for batch in batches for name in batch) == sorted(name for name in hosts if hosts[name].group == "worker")
    assert all(len(batch) <= limit for batch in batches[1:]) and max(map(len, batches)) > 1
    # The plays get the same batches.
    record = {**made, "done": {}, "done_at": {}, "failed": {}, "blocked": {}, "paused": False}
    slot = update_progress(record, hosts)["slots"][made["steps"].index(of_workers(made))]
    names, sizes = slot["hosts"].split(","), iter(slot["sizes"])
    assert [[names.pop(0) for _each in range(size)] for size in sizes] == batches


def test_masters_members_of_etcd_and_proxies_are_always_alone():
    made = planned(policies=dict.fromkeys(("etcd", "master", "proxy"), Policy("3", "100%")))
    assert {len(batch) for step in made["steps"][:-1] for batch in step["batches"]} == {1}


def test_drains_as_the_operator_wants():
    assert of_workers(planned(drain="never"))["drain"] == {}
    assert set(of_workers(planned(skip_drain=["worker-1"]))["drain"]) == {"worker-0", "worker-2"}
    made = planned(cluster(NEW), NEW, release("1.36.4"), drain="always")
    assert of_workers(made)["drain"] == dict.fromkeys(("worker-0", "worker-1", "worker-2"), "update_drain is always")


def test_options_are_part_of_the_plan():
    made = planned(policies={"worker": Policy("2", "25%")}, drain="always", skip_drain=["worker-1", "worker-0"], emulate=False)
    assert made["options"] == {
        "update_canaries": "2", "update_max_in_flight": "25%", "update_drain": "always", "update_skip_drain": ["worker-0", "worker-1"],
        "update_emulate": False, "update_reboot": "auto",
    }  # fmt: skip


def test_rollback_goes_the_other_way_but_for_the_proxies():
    """They follow the workers: their rules are those of before for half a minute, and must not lead to pods that a drain moves."""
    before = release("1.35.4", "3.6.16")
    made = planned(cluster(NEW), NEW, before, rollback=True)
    assert shown(made) == [
        ("workers", "1.35.4", "", [["worker-0"], ["worker-1"], ["worker-2"]]),
        ("proxies", "1.35.4", "", [["proxy-0"]]),
        ("masters", "1.35.4", "", [["master-0"], ["master-1"]]),
    ]


def test_etcd_is_prepared_before_it_goes_back_to_the_minor_before():
    made = planned(cluster(NEWER), NEWER, NEW, rollback=True)
    assert [(step["phase"], step["downgrade"]) for step in made["steps"]] == [("workers", ""), ("proxies", ""), ("masters", ""), ("etcd", "3.6")]
    assert planned(cluster(NEW), NEW, NEWER)["steps"][0]["downgrade"] == ""
    mixed = cluster(NEWER, etcd_1=NEW)
    assert planned(mixed, NEW, NEW, rollback=True)["steps"][-1]["downgrade"] == "3.6"


def test_rollback_in_the_middle_of_two_hops():
    """Masters are at 1.36 and 1.37, workers still at 1.35."""
    before = release("1.35.4", "3.6.16")
    made = planned(cluster(before, master_0=release("1.37.2"), master_1=NEW), before, before, rollback=True)
    assert shown(made) == [("masters", "1.36.3", "", [["master-0"]]), ("masters", "1.35.4", "", [["master-0"], ["master-1"]])]


def test_a_master_that_has_gone_further_does_not_go_back_for_another_one():
    """A master may join, or be repaired, during an update that is not finished."""
    before = release("1.35.4", "3.6.16")
    assert shown(planned(cluster(NEWER, master_0=before), before, NEWER)) == [
        ("emulation", "1.36.3", "1.35", [["master-0"]]),
        ("masters", "1.36.3", "", [["master-0"]]),
        ("emulation", "1.37.2", "1.36", [["master-0"]]),
        ("masters", "1.37.2", "", [["master-0"], ["master-1"]]),
    ]
    assert shown(planned(cluster(NEWER, master_0=before), before, NEWER, configuration=True))[2] == ("masters", "1.36.3", "", [["master-0"]])
    made = planned(cluster(before, master_0=NEWER), NEWER, before, rollback=True)
    assert shown(made) == [("masters", "1.36.3", "", [["master-0"]]), ("masters", "1.35.4", "", [["master-0"]])]


def test_a_host_that_does_not_answer_is_left_out_and_named():
    made = planned(cluster(worker_1=None))
    assert of_workers(made)["batches"] == [["worker-0"], ["worker-2"]]
    assert made["left_out"] == {"worker-1": "does not answer"}
    assert text(made)[-1] == "Left out: worker-1 does not answer"


def with_a_silent_master(at, **releases):
    """Return a cluster with a third master that does not answer."""
    return {**cluster(at, **releases), "master-2": Host("master", "z0", None)}


@pytest.mark.parametrize(
    ("hosts", "options"),
    [
        (with_a_silent_master(OLD), {}),
        (with_a_silent_master(NEW), {}),
        (with_a_silent_master(NEW), {"now": NEW, "to": OLD, "rollback": True}),
        (with_a_silent_master(OLD, master_0=NEW), {"to": OLD, "rollback": True}),
    ],
    ids=["forward", "only workers are left", "back", "back from an update that is not finished"],
)
def test_a_master_that_may_serve_another_minor_is_not_left_behind(hosts, options):
    with pytest.raises(Refused, match="group master: found that master-2 does not answer, expected every host, since its API server may still serve another"):
        planned(hosts, **options)


def test_a_patch_leaves_out_a_master_while_another_one_serves():
    assert planned(with_a_silent_master(NEW), NEW, release("1.36.4"))["left_out"] == {"master-2": "does not answer"}


@pytest.mark.parametrize(
    ("hosts", "options", "found"),
    [
        (cluster(NEW), {"now": NEW, "to": OLD}, "found 1.35.4, expected 1.36.3, the version of the cluster, or a later one: update_action"),
        (cluster(), {"rollback": True}, "found rollback to 1.36.3, expected versions before 1.35.4, those of the cluster"),
        (cluster(etcd_1=None), {}, "group etcd: found that etcd-1 does not answer, expected every host"),
        (cluster(master_1=None), {}, "group master: found that master-1 does not answer, expected every host"),
        (cluster(release("1.35.4", "3.6.10")), {"to": release("1.36.3", "3.7.0")}, "etcd-0: found etcd 3.6.10, expected 3.6.11 or later before 3.7.0"),
        (cluster(), {"to": release("1.36.3", "3.8.0")}, "etcd-0: found etcd 3.6.15, expected a minor next to 3.8.0"),
        (cluster(worker_0=release("1.32.1")), {}, "worker-0: found kubelet 1.32.1, expected at most 3 minors behind 1.36"),
        (cluster(), {"to": release("1.39.0")}, "found 1.39 after 1.35, expected a catalog of each minor in between"),
        (cluster(NEW, master_0=NEWER), {"to": NEW, "begun": True}, "found 1.36, expected the minor of master-0 or a later one: update_action=rollback"),
        (cluster(), {"api_problem": "403 Forbidden"}, "the API: found 403 Forbidden, expected a list of nodes"),
    ],
    ids=["older", "back twice", "dead member", "dead master", "old etcd", "two minors of etcd", "kubelet", "no catalog", "beyond", "no nodes"],
)  # fmt: skip
def test_refusals(hosts, options, found):
    with pytest.raises(Refused, match=found):
        planned(hosts, **options)


def test_an_api_that_does_not_answer_prevents_neither_the_way_back_nor_the_end_of_an_update():
    assert planned(begun=True, api_problem="no answer")["steps"]
    assert planned(cluster(NEW), NEW, release("1.35.4", "3.6.16"), rollback=True, api_problem="no answer")["steps"]


def test_a_way_back_begins_with_the_masters_if_no_api_server_serves():
    """Workers cannot be drained without the API, and what is newer than an API server does not matter while none serves."""
    options = {"rollback": True, "api_problem": "no answer"}
    back = planned(cluster(NEWER), NEWER, OLD, obstacles={**nothing(), "problem": "no answer"}, **options)
    assert [(step["phase"], step["versions"]["kubernetes"]) for step in back["steps"]] == [
        ("masters", "1.36.3"), ("masters", "1.35.4"), ("workers", "1.35.4"), ("proxies", "1.35.4"), ("etcd", "1.35.4"),
    ]  # fmt: skip
    assert planned(cluster(NEWER), NEWER, OLD, obstacles=nothing(), **options)["steps"][0]["phase"] == "workers", "the API refuses the health user only"


def test_masters_do_not_go_back_below_a_kubelet_that_the_update_does_not_reach():
    """Its host does not answer, but the API tells that it is ready. A resumed plan would leave out the host as well."""
    hosts = cluster(NEWER, worker_1=None)
    hosts["worker-1"] = hosts["worker-1"]._replace(kubelet="v1.37.2")
    with pytest.raises(Refused, match="worker-1: found kubelet 1.37.2 on a worker that does not answer, expected it to go back before the masters: bring it"):
        planned(hosts, NEWER, NEW, rollback=True, begun=True)
    assert planned({**hosts, "worker-1": hosts["worker-1"]._replace(kubelet="v1.36.0")}, NEWER, NEW, rollback=True)["left_out"]
    back = {name: host for name, host in cluster(NEW).items() if host.group == "master"}
    assert planned({**hosts, **back}, NEWER, NEW, rollback=True)["steps"], "the masters are back"


def test_every_reason_is_named():
    with pytest.raises(Refused) as refused:
        planned(cluster(NEW, etcd_1=None, master_1=None), NEW, OLD)
    assert len(str(refused.value).splitlines()) == 3


def test_text():
    assert text(planned()) == [
        "Update: kubernetes 1.35.4 to 1.36.3, etcd 3.6.15 to 3.6.16, containerd 2.3.7 to 2.4.2",
        "1. etcd: etcd 3.6.16",
        "   - etcd-1",
        "   - etcd-2",
        "   - etcd-0",
        "2. emulation: kubernetes 1.36.3, flannel 0.28.10, as if it were 1.35",
        "   - master-0",
        "   - master-1",
        "3. masters: kubernetes 1.36.3, flannel 0.28.10",
        "   - master-0",
        "   - master-1",
        "4. workers: kubernetes 1.36.3, containerd 2.4.2, runc 1.5.2, cni-plugins 1.9.1, flannel 0.28.10",
        *(f"   - worker-{n} (drained: kubelet 1.35.4 to 1.36.3)" for n in range(3)),
        "5. proxies: kubernetes 1.36.3, flannel 0.28.10",
        "   - proxy-0",
    ]


def test_a_plan_has_an_id_that_changes_with_it():
    assert planned()["id"] == planned()["id"] != planned(drain="never")["id"]
    assert planned()["id"].startswith("update-1.36.3-")


def test_the_name_of_the_catalog_is_not_shown():
    """It is the minor of Kubernetes once more."""
    before, after = ({"catalog": minor, "kubernetes": f"{minor}.0", "runc": "1.5.2"} for minor in ("1.35", "1.36"))
    assert changes(before, after) == "kubernetes 1.35.0 to 1.36.0"
    assert changes(after, after) == "the same versions"

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of a removal: its rules, its order, and how it continues."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.removals import changed
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._removal.plan import Cluster, plan, text

SIZES = {"etcd": 3, "master": 2, "worker": 3, "proxy": 1}
FIRST = {"etcd": 61, "master": 11, "worker": 21, "proxy": 91}
HOSTS = {
    f"{group}-{index}": {"group": group, "address": f"10.0.0.{FIRST[group] + index}"} for group, size in SIZES.items() for index in range(size)
}


class Made:
    """Nine healthy hosts, until a test changes them."""

    def __init__(self):
        members = [
            {"id": str(index), "name": f"etcd-{index}", "peer_urls": [f"https://10.0.0.{61 + index}:2380"], "learner": False} for index in range(3)
        ]
        self.rows = {
            name: {
                **host,
                "state": "healthy",
                "error": None,
                "etcd": {"has_leader": True, "role": "follower", "members": members} if host["group"] == "etcd" else None,
                "routes": {"overlay": [], "backends": []},
            }
            for name, host in HOSTS.items()
        }
        self.members = members
        self.nodes = {host["address"]: {"ready": True} for host in HOSTS.values() if host["group"] == "worker"}
        self.lead("etcd-1")
        self.findings = []
        self.removals = {}
        self.provider = None
        self.volumes = {}
        self.api_host = "10.0.0.91"
        self.topology = "proxy"

    def lead(self, leader):
        for name in ("etcd-0", "etcd-1", "etcd-2"):
            self.rows[name]["etcd"].update(role="leader" if name == leader else "follower", has_leader=leader is not None)

    def silence(self, *names, error="No route to host"):
        for name in names:
            self.rows[name] = {**HOSTS[name], "state": "unreachable", "error": error, "etcd": None}

    def plan(self, *names, confirmed=False):
        rows = {name: {**row, "state": "removed"} if name in self.removals else row for name, row in self.rows.items()}
        report = {"hosts": rows, "cluster": {"nodes": self.nodes}, "findings": self.findings}
        cluster = Cluster(report, self.removals, self.topology, self.api_host, self.provider, self.volumes)
        return plan(cluster, names, confirmed)


@pytest.fixture
def made():
    return Made()


def test_a_worker_that_answers_is_drained_and_wiped_without_a_confirmation(made):
    found = made.plan("worker-2")
    assert found["acts"] and not found["risks"] and not found["refused"]
    assert (found["drain"], found["nodes"], found["leases"], found["wipe"]) == (["10.0.0.23"], ["10.0.0.23"], ["10.0.0.23"], ["worker-2"])
    assert found["lines"] == ["worker-2"] and not found["members"] and not found["dead_nodes"]


def test_a_worker_whose_kubelet_is_dead_is_stopped_without_a_drain_and_its_node_marked(made):
    """Its kubelet would not end the pods. One that has never had a Node is not drained either."""
    made.nodes["10.0.0.23"] = {"ready": False}
    found = made.plan("worker-1", "worker-2")
    assert found["acts"] and found["drain"] == ["10.0.0.22"] and found["dead_nodes"] == ["10.0.0.23"] and found["wipe"] == ["worker-1", "worker-2"]
    assert found["warnings"] == ["worker-2 is not drained, because its Node is not ready: its pods are killed, and start elsewhere"]
    steps = found["steps"]["worker-2"]
    assert steps[:2] == ["stop its services and delete their keys and data", "mark its Node as out of service, so that its pods and volumes move"]
    del made.nodes["10.0.0.23"]
    found = made.plan("worker-2")
    assert not found["drain"] and not found["dead_nodes"] and found["steps"]["worker-2"][0].startswith("stop its services")


def test_no_host_leaves_while_a_restore_is_unfinished(made):
    made.findings = [{"kind": "restore", "subject": "prod-20261129T010003Z.cfcr", "found": "phase begun", "expected": "a restore that has finished"}]
    found = made.plan("etcd-0")
    assert found["refused"] == ["restore prod-20261129T010003Z.cfcr: found phase begun, expected a restore that has finished"] and not found["acts"]


def test_the_first_of_each_group_may_leave_at_once(made):
    made.silence("worker-1")
    found = made.plan("etcd-0", "master-0", "worker-1", confirmed=True)
    assert found["acts"], found["refused"]
    assert found["members"] == ["etcd-0"] and found["etcd_host"] == "etcd-1"
    assert found["wipe"] == ["etcd-0", "master-0"] and found["dead_nodes"] == ["10.0.0.22"]
    assert "2 members then, which survive 0 failures" in found["warnings"][0]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["etcd-0", "etcd-1", "etcd-2"], "group etcd: found no host besides etcd-0, etcd-1, etcd-2"),
        (["master-0", "master-1"], "group master: found no host besides"),
        (["worker-0", "worker-1", "worker-2"], "group worker: found no host besides"),
        (["proxy-0"], "group proxy: found no host besides proxy-0"),
        (["wroker-1"], "is worker-1 meant?"),
        (["localhost"], "remove: found localhost"),
    ],
)
def test_the_last_of_a_group_stays(made, names, reason):
    found = made.plan(*names, confirmed=True)
    assert not found["acts"]
    assert reason in "; ".join(found["refused"])


def test_the_director_stays(made):
    made.rows["director-0"] = {"group": "director", "address": "10.0.0.101", "state": "healthy", "error": None}
    assert "has the store" in made.plan("director-0")["refused"][0]


def test_the_last_proxy_may_leave_if_a_load_balancer_replaces_it(made):
    made.topology, made.api_host = "iaas_lb", "10.0.0.5"
    assert made.plan("proxy-0")["acts"]


def test_a_proxy_with_the_address_of_the_api_stays(made):
    made.rows["proxy-1"] = {**made.rows["proxy-0"], "address": "10.0.0.92"}
    assert "has the address of the API, cluster_api_host 10.0.0.91" in made.plan("proxy-0")["refused"][0]
    made.api_host = "10.0.0.92"
    assert made.plan("proxy-0")["acts"]


def test_a_proxy_behind_a_name_is_warned_of(made):
    made.rows["proxy-1"] = {**made.rows["proxy-0"], "address": "10.0.0.92"}
    made.api_host = "api.example.com"
    found = made.plan("proxy-0")
    assert found["acts"] and "is a name" in found["warnings"][0]


def test_members_that_stay_need_a_quorum(made):
    made.silence("etcd-2")
    refused = made.plan("etcd-0", confirmed=True)["refused"]
    assert refused == [
        "etcd: found 1 healthy members of the 2 that stay, expected 2 or more: bring etcd-2 back, or remove it instead"
    ]
    found = made.plan("etcd-2", confirmed=True)
    assert found["acts"] and found["members"] == ["etcd-2"]
    # Dead members leave first: while they count, the others have a bare quorum.
    assert made.plan("etcd-0", "etcd-2", confirmed=True)["members"] == ["etcd-2", "etcd-0"]


def test_the_leader_leaves_last(made):
    made.lead("etcd-0")
    assert made.plan("etcd-0", "etcd-1")["members"] == ["etcd-1", "etcd-0"]


def test_a_learner_that_stays_has_no_vote(made):
    made.rows["etcd-1"]["etcd"]["role"] = "learner"
    assert "found 1 healthy members of the 2 that stay" in made.plan("etcd-0")["refused"][0]


def test_without_a_leader_no_member_leaves(made):
    made.lead(None)
    assert "found 0 healthy members of the 2 that stay" in made.plan("etcd-0")["refused"][0]


def test_an_interrupted_removal_of_the_leader_is_continued(made):
    made.lead("etcd-0")
    made.removals = {"etcd-0": {**HOSTS["etcd-0"], "state": "leaving"}}
    found = made.plan("etcd-0")
    assert found["acts"] and found["members"] == ["etcd-0"], found["refused"]


@pytest.mark.parametrize("name", ["etcd-2", "worker-2", "master-1"])
def test_a_silent_host_needs_a_confirmation_unless_its_provider_says_that_it_is_off(made, name):
    made.silence(name)
    found = made.plan(name)
    assert not found["acts"] and "does not answer (No route to host)" in found["risks"][0]
    assert "-e remove_confirm=prod" in text(found, "prod")
    assert made.plan(name, confirmed=True)["acts"]
    made.provider = {name: "stopped", "worker-0": "running"}
    assert made.plan(name)["acts"] and made.plan(name)["machines"] == [name]
    # A provider that has none of the hosts was asked in the wrong place.
    made.provider = {name: "absent", "worker-0": "absent"}
    assert not made.plan(name)["acts"] and not made.plan(name)["machines"]


def test_a_machine_that_is_gone_leaves_the_inventory_of_its_provider(made):
    made.silence("worker-0")
    made.provider = {name: "running" for name in HOSTS} | {"worker-0": "absent"}
    found = made.plan("worker-0", "worker-2")
    assert found["machines"] == ["worker-0", "worker-2"]
    assert ["delete the machine" in found["steps"][name] for name in ("worker-0", "worker-2")] == [False, True]


@pytest.mark.parametrize(("volumes", "lost"), [({"10.0.0.23": ["pvc-1 (default/data-0)"]}, "for good: pvc-1"), (None, "the API did not list them")])
def test_local_volumes_need_a_confirmation(made, volumes, lost):
    made.volumes = volumes
    found = made.plan("worker-2")
    assert not found["acts"] and lost in found["risks"][0]


def test_a_worker_needs_the_api(made):
    made.nodes = None
    assert "the API does not list nodes" in made.plan("worker-2", confirmed=True)["refused"][0]


def test_a_master_needs_another_one_that_works(made):
    made.silence("master-1")
    assert "found no healthy host besides those that leave" in made.plan("master-0", confirmed=True)["refused"][0]
    assert made.plan("master-1", confirmed=True)["acts"]


def test_an_ignored_host_is_not_contacted(made):
    made.rows["worker-2"] = {**HOSTS["worker-2"], "state": "ignored", "error": None}
    found = made.plan("worker-2")
    assert not found["acts"] and "it is in group ignored" in found["risks"][0]
    assert made.plan("worker-2", confirmed=True)["wipe"] == []


def test_an_interrupted_removal_is_continued_with_the_next_one(made):
    made.removals = {"etcd-0": {**HOSTS["etcd-0"], "state": "leaving"}}
    found = made.plan("worker-2")
    assert found["unfinished"] == ["etcd-0"] and found["members"] == ["etcd-0"] and found["wipe"] == ["etcd-0", "worker-2"]
    del made.rows["etcd-0"]  # the operator has taken its line out
    found = made.plan("etcd-0", confirmed=True)
    assert found["acts"] and found["members"] == ["etcd-0"] and found["wipe"] == []


def test_without_a_name_nothing_leaves(made):
    """An operator has taken another removal back."""
    made.removals = {"etcd-0": {**HOSTS["etcd-0"], "state": "leaving"}}
    found = made.plan()
    assert not found["acts"] and text(found) == "Nothing to remove."


def test_a_finished_removal_has_nothing_to_do(made):
    made.removals = {"worker-2": {**HOSTS["worker-2"], "state": "removed"}}
    del made.nodes["10.0.0.23"]
    found = made.plan("worker-2")
    assert not found["acts"] and found["done"] == ["worker-2"] and not found["hosts"]
    assert text(found) == "worker-2: was removed before"
    made.nodes["10.0.0.23"] = {"ready": True}  # its kubelet has registered again
    assert made.plan("worker-2")["nodes"] == ["10.0.0.23"]


def test_a_finished_removal_is_not_believed_if_nobody_can_be_asked(made):
    made.removals = {name: {**HOSTS[name], "state": "removed"} for name in ("worker-2", "etcd-2")}
    made.nodes = None
    found = made.plan("worker-2")
    assert not found["done"] and "the API does not list nodes" in found["refused"][0]
    made.rows["etcd-2"]["etcd"] = None
    made.silence("etcd-0", "etcd-1")
    found = made.plan("etcd-2")
    assert not found["done"] and not found["acts"] and "found 0 healthy members" in found["refused"][0]


def test_hosts_that_were_removed_before_do_not_count(made):
    made.removals = {"etcd-0": {**HOSTS["etcd-0"], "state": "removed"}, "etcd-1": {**HOSTS["etcd-1"], "state": "removed"}}
    for host in ("etcd-0", "etcd-1", "etcd-2"):
        made.rows[host]["etcd"] = {"has_leader": True, "role": "leader", "members": made.members[2:]} if host == "etcd-2" else None
    assert "group etcd: found no host besides etcd-2" in made.plan("etcd-2")["refused"][0]


def test_strangers_are_removed_by_the_name_that_health_gives_them(made):
    for host in ("etcd-0", "etcd-1", "etcd-2"):
        made.rows[host]["etcd"]["members"] = [*made.members, {"id": "9", "name": "etcd-9", "peer_urls": ["https://10.0.0.69:2380"], "learner": False}]
    made.nodes["10.0.0.29"] = {"ready": False}
    made.rows["master-0"]["routes"]["overlay"] = ["10.0.0.39"]
    found = made.plan("etcd-9", "10.0.0.29", "10.0.0.39", confirmed=True)
    assert found["acts"] and found["members"] == ["etcd-9"]
    assert found["nodes"] == ["10.0.0.29", "10.0.0.39"] and found["leases"] == ["10.0.0.29", "10.0.0.39"]
    assert found["lines"] == [] and found["wipe"] == []


def test_an_interrupted_removal_by_address_removes_the_member(made):
    """The second run has the entry that the first one has recorded."""
    for host in ("etcd-0", "etcd-1", "etcd-2"):
        made.rows[host]["etcd"]["members"] = [*made.members, {"id": "9", "name": "etcd-9", "peer_urls": ["https://10.0.0.69:2380"], "learner": False}]
    leaving = {"state": "leaving", "hosts": made.plan("10.0.0.69", confirmed=True)["hosts"], "inventory": None}
    made.removals = changed({}, leaving, "2026-11-30T12:00:00Z")
    assert made.plan("10.0.0.69", confirmed=True)["members"] == ["etcd-9"]
    made.removals = changed(made.removals, {**leaving, "state": "removed"}, "2026-11-30T12:01:00Z")
    assert not made.plan("10.0.0.69", confirmed=True)["done"], "the cluster still has the member"


@pytest.mark.parametrize("name", ["9f", "10.0.0.69"])
def test_a_member_that_has_never_started_has_no_name(made, name):
    made.rows["etcd-0"]["etcd"]["members"] = [{"id": "9f", "name": "", "peer_urls": ["https://10.0.0.69:2380"], "learner": True}]
    assert made.plan(name, confirmed=True)["members"] == ["9f"]


def test_a_host_whose_member_has_never_started_leaves_with_it(made):
    """A run of site.yml that was killed has added it."""
    made.rows["etcd-3"] = {"group": "etcd", "address": "10.0.0.64", "state": "degraded", "error": None, "etcd": None, "routes": {"overlay": [], "backends": []}}
    for host in ("etcd-0", "etcd-1", "etcd-2"):
        made.rows[host]["etcd"]["members"] = [*made.members, {"id": "9f", "name": "", "peer_urls": ["https://10.0.0.64:2380"], "learner": True}]
    found = made.plan("etcd-3")
    assert found["acts"] and found["members"] == ["9f"] and found["wipe"] == ["etcd-3"]
    made.removals = {"etcd-3": {"group": "etcd", "address": "10.0.0.64", "state": "removed"}}
    assert not made.plan("etcd-3")["done"], "a former run has not found the member by its name"
    assert made.plan("etcd-2")["members"] == ["etcd-2"]

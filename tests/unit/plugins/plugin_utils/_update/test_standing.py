# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The versions that hosts keep while an update is not finished. The minor of etcd changes from 1.36 to 1.37, that of containerd from 1.35 to 1.36."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.updates import following_in, reached_in
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog.catalog import load, record
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._update.plan import COMPONENTS
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._update.standing import Member, standing

VERSIONS = {minor: record(load(minor)["versions"]) for minor in ("1.35", "1.36", "1.37")}
NAMES = ("etcd-0", "etcd-1", "etcd-2", "master-0", "master-1", "worker-0", "worker-1")


def its(minor, emulated=""):
    return {"versions": VERSIONS[minor], "emulated": emulated}


def installed(minor, group, *components):
    """Return all components of a group at a minor, or some of them."""
    versions = load(minor)["components"]
    return {name: versions[name]["version"] for name in components or COMPONENTS[group]}


def step(minor, group, emulated="", names=NAMES):
    return {"group": group, **its(minor, emulated), "batches": [[name] for name in names if name.startswith(group)]}


FORWARD = [step("1.37", "etcd"), step("1.37", "master", "1.36"), step("1.37", "master"), step("1.37", "worker")]
BACK = [step("1.36", "worker"), step("1.36", "master"), step("1.36", "etcd")]


def kept(steps, done=None, now="1.36", before=None, limit=None, **hosts):
    """Return what hosts keep that have not the versions of the cluster, given those that hosts have; other ones have what is recorded of them."""
    plan = {"steps": steps, "done": done or {}, "finished": False}
    if before:
        plan |= {"reached": reached_in(before), "following": following_in(before)}
    reached, members = reached_in(plan), {}
    for name in dict.fromkeys((*NAMES, *(given.replace("_", "-") for given in hosts))):
        group = name.split("-")[0]
        has = hosts.get(name.replace("-", "_"), installed(reached[name]["versions"]["catalog"] if name in reached else now, group))
        members[name] = Member(group, has if limit is None or name in limit else None)
    found = standing(members, VERSIONS[now], reached, following_in(plan))
    return {name: (state["versions"]["catalog"], state["emulated"]) for name, state in found.items()}


def test_without_an_update_nothing_differs():
    blank = {"etcd-0": Member("etcd", {}), "etcd-1": Member("etcd", installed("1.37", "etcd"))}
    assert standing(blank, VERSIONS["1.36"], {}, {}) == {}
    assert kept(FORWARD) == {}, "nothing has begun"


@pytest.mark.parametrize("limit", [None, ["etcd-2"]])
def test_the_last_member_of_etcd_of_a_batch_that_is_not_recorded(limit):
    """All members have run the new minor, so the former one would not start on their data."""
    others = {"etcd-0": ("1.37", ""), "etcd-1": ("1.37", "")}
    assert kept(FORWARD, {"0": ["etcd-0", "etcd-1"]}, limit=limit, etcd_2=installed("1.37", "etcd")) == {**others, "etcd-2": ("1.37", "")}
    assert kept(FORWARD, {"0": ["etcd-0", "etcd-1"]}, limit=limit, etcd_2=installed("1.36", "etcd")) == others, "before the switch, or put back"


@pytest.mark.parametrize("components", [("kubelet",), ("kubelet", "kube-proxy"), COMPONENTS["worker"]])
def test_a_worker_that_a_killed_run_has_begun_with_is_completed(components):
    has = {**installed("1.36", "worker"), **installed("1.37", "worker", *components)}
    assert kept(FORWARD, worker_0=has) == {"worker-0": ("1.37", "")}


def test_a_worker_with_the_next_containerd_only():
    has = {**installed("1.35", "worker"), **installed("1.36", "worker", "containerd")}
    assert kept([step("1.36", "worker")], now="1.35", worker_0=has) == {"worker-0": ("1.36", "")}


def test_masters_of_two_hops():
    hops = [step("1.36", "master", "1.35"), step("1.36", "master"), step("1.37", "master", "1.36"), step("1.37", "master")]
    assert kept(hops, now="1.35", master_0=installed("1.36", "master")) == {"master-0": ("1.36", "1.35")}
    first = {"0": ["master-0", "master-1"], "1": ["master-0", "master-1"]}
    assert kept(hops, first, now="1.35", master_0=installed("1.37", "master")) == {"master-0": ("1.37", "1.36"), "master-1": ("1.36", "")}
    both = {**first, "2": ["master-0", "master-1"]}
    assert kept(hops, both, now="1.35") == {"master-0": ("1.37", "1.36"), "master-1": ("1.37", "1.36")}


def test_a_plan_that_was_given_up_has_begun_with_hosts():
    killed = {"steps": FORWARD, "done": {"0": ["etcd-0", "etcd-1"]}, "finished": False}
    new, other = installed("1.37", "etcd"), ("1.37", "")
    # etcd goes back only after the downgrade is enabled, which is in its step of the way back.
    assert kept(BACK, before=killed, etcd_2=new) == {"etcd-0": other, "etcd-1": other, "etcd-2": other}
    back = {"2": ["etcd-0", "etcd-1"]}
    assert kept(BACK, back, before=killed, etcd_2=new)["etcd-2"] == other
    assert "etcd-2" not in kept(BACK, back, before=killed)
    assert kept(BACK, {"2": ["etcd-0", "etcd-1", "etcd-2"]}, before=killed)["etcd-2"] == ("1.36", "")


def test_a_host_on_the_way_back():
    there = {"steps": FORWARD, "done": {"0": [*NAMES[:3]], "1": [*NAMES[3:5]], "2": [*NAMES[3:5]], "3": [*NAMES[5:]]}, "finished": False}
    found = kept(BACK, before=there, worker_0={**installed("1.37", "worker"), **installed("1.36", "worker", "kubelet")})
    assert found["worker-0"] == ("1.36", "") and found["worker-1"] == ("1.37", "") and found["etcd-0"] == ("1.37", "")
    assert kept(BACK, before=there, etcd_2=installed("1.36", "etcd"))["etcd-2"] == ("1.36", "")


def test_a_master_emulates_although_the_next_plan_would_end_that():
    """A killed run has not recorded it, and all masters have the new binaries, so the next plan has no emulation."""
    killed = {"steps": FORWARD, "done": {"1": ["master-0"]}, "finished": False}
    assert kept([step("1.37", "master")], before=killed, master_1=installed("1.37", "master"))["master-1"] == ("1.37", "1.36")


def test_a_worker_keeps_the_earlier_one_of_two_plans():
    killed = {"steps": [step("1.36", "worker")], "done": {}, "finished": False}
    assert kept([step("1.37", "worker")], now="1.35", before=killed, worker_0=installed("1.36", "worker")) == {"worker-0": ("1.36", "")}


@pytest.mark.parametrize("limit", [None, ["etcd-3"]])
def test_a_new_member_of_etcd_reads_what_the_others_write(limit):
    done = {"0": ["etcd-0", "etcd-1", "etcd-2"]}
    assert kept(FORWARD, done, limit=limit, etcd_3={})["etcd-3"] == ("1.37", "")
    assert kept(FORWARD, done, limit=limit, etcd_3=installed("1.37", "etcd"))["etcd-3"] == ("1.37", ""), "the next run keeps it"
    assert kept(FORWARD, {"0": ["etcd-0", "etcd-1"]}, limit=limit, etcd_3={})["etcd-3"] == ("1.36", "")
    assert kept(FORWARD, {"0": ["etcd-0", "etcd-1"]}, limit=limit, etcd_3=installed("1.36", "etcd")).get("etcd-3") is None
    assert "worker-3" not in kept(FORWARD, done, worker_3={}), "a kubelet may be older"


def test_several_new_members_of_etcd():
    done = {"0": ["etcd-0", "etcd-1", "etcd-2"]}
    found = kept(FORWARD, done, etcd_3={}, etcd_4={}, etcd_5=installed("1.37", "etcd"))
    assert found["etcd-3"] == found["etcd-4"] == found["etcd-5"] == ("1.37", "")


def test_a_recreated_member_of_etcd():
    assert kept(FORWARD, {"0": ["etcd-0", "etcd-1"]}, etcd_2={})["etcd-2"] == ("1.37", ""), "both others have the new minor"
    assert kept(FORWARD, {"0": ["etcd-0"]}, etcd_2={})["etcd-2"] == ("1.36", "")
    assert kept(FORWARD, {"0": ["etcd-0", "etcd-2"]}, etcd_2={})["etcd-2"] == ("1.37", ""), "it keeps what it has reached"
    assert kept(FORWARD, {"0": ["etcd-0"]}, etcd_1=installed("1.37", "etcd"), etcd_2={})["etcd-2"] == ("1.37", "")


@pytest.mark.parametrize(
    ("done", "wanted"),
    [
        ({}, ("1.36", "")),
        ({"1": ["master-0"]}, ("1.36", "")),
        ({"1": ["master-0", "master-1"]}, ("1.37", "1.36")),
        ({"1": ["master-0", "master-1"], "2": ["master-0"]}, ("1.37", "1.36")),
        ({"1": ["master-0", "master-1"], "2": ["master-0", "master-1"]}, ("1.37", "")),
    ],
)
def test_a_new_master_serves_what_the_others_serve(done, wanted):
    assert kept(FORWARD, done, master_2={})["master-2"] == wanted
    assert kept(FORWARD, done, master_2=installed("1.36", "master", "flannel"))["master-2"] == wanted, "a killed run had begun with it"
    again = kept(FORWARD, done, master_2=installed(wanted[0], "master"))
    assert again.get("master-2", ("1.36", "")) == wanted, "the next run keeps it"

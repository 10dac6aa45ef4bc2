# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is left of an update, from its record."""

from __future__ import annotations

import datetime

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.cfcr.kubernetes.plugins.filter.update_progress import update_progress
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._update.plan import SLOTS
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._update.progress import NOBODY, soak

VERSIONS = {"kubernetes": "1.36.3", "etcd": "3.6.16", "flannel": "0.28.10", "containerd": "2.4.2", "runc": "1.5.2", "cni-plugins": "1.9.1"}
HOSTS = ("etcd-0", "master-0", "worker-0", "worker-1", "worker-2")


def step(phase, group, *batches):
    return {"phase": phase, "group": group, "versions": VERSIONS, "emulated": "", "batches": list(batches), "drain": {}, "packages": {}, "recreate": []}


RECORD = {
    "id": "update-1.36.3-0a1b2c3d",
    "from": VERSIONS,
    "to": VERSIONS,
    "rollback": False,
    "packages": False,
    "recreate": [],
    "finished": False,
    "steps": [step("etcd", "etcd", ["etcd-0"]), step("masters", "master", ["master-0"]), step("workers", "worker", ["worker-0"], ["worker-1", "worker-2"])],
    "left_out": {},
    "done": {},
    "done_at": {},
    "emulated_at": "",
    "failed": {},
    "blocked": {},
    "paused": False,
}
WORKERS = {**RECORD, "done": {"0": ["etcd-0"], "1": ["master-0"]}}


def progress(record, hosts=HOSTS, **options):
    return update_progress(record, hosts, **options)


def slots(record, **options):
    found = progress(record, **options)["slots"]
    assert len(found) == SLOTS
    return [(slot["hosts"], slot["sizes"]) for slot in found if slot["hosts"] != NOBODY]


def stop(record, batch, step=2):
    return progress(record, step=step, batch=batch)["stop"]


def test_slots():
    assert slots(RECORD) == [("etcd-0", [1]), ("master-0", [1]), ("worker-0,worker-1,worker-2", [1, 2])]
    assert slots({}) == [] and not progress({})["complete"]


def test_hosts_that_are_done_fall_out():
    record = {**WORKERS, "done": {**WORKERS["done"], "2": ["worker-0", "worker-2"]}}
    assert slots(record) == [("worker-1", [1])]
    assert not progress(record)["complete"]
    assert progress({**record, "done": {**record["done"], "2": ["worker-0", "worker-2", "worker-1"]}})["complete"]


def test_a_failed_member_that_cannot_go_back_is_done_but_the_update_is_not_complete():
    record = {**WORKERS, "done": {**WORKERS["done"], "2": ["worker-0", "worker-2", "worker-1"]}, "failed": {"etcd-0": "etcd is failed"}}
    assert not progress(record)["complete"]


def test_a_plan_that_no_run_has_begun_is_shown():
    plan = {name: value for name, value in RECORD.items() if name not in ("done", "done_at", "failed", "blocked", "paused", "finished")}
    assert progress({**plan, "steps": []})["text"][0].startswith("Nothing to update")


def test_hosts_that_do_not_answer_fall_out():
    hosts = [name for name in HOSTS if name != "worker-0"]
    assert slots(WORKERS, hosts=hosts) == [("worker-1,worker-2", [2])]
    assert progress({**WORKERS, "done": {**WORKERS["done"], "2": ["worker-1", "worker-2"]}}, hosts)["complete"]


def test_hosts_that_are_still_to_be_recreated():
    """Also one that does not answer, since a killed run may have deleted it."""
    steps = [{**step, "recreate": [name for batch in step["batches"] for name in batch if name != "worker-1"]} for step in WORKERS["steps"]]
    record = {**WORKERS, "steps": steps}
    assert progress(record, hosts=[])["recreates"] == ["worker-0", "worker-2"]
    assert progress({**record, "finished": True})["recreates"] == [] == progress({})["recreates"]


def test_until_a_phase():
    assert slots(RECORD, until="etcd") == [("etcd-0", [1])]
    assert slots({**RECORD, "rollback": True, "steps": RECORD["steps"][::-1]}, until="workers") == [("worker-0,worker-1,worker-2", [1, 2])]
    first = {**RECORD, "rollback": True, "steps": [RECORD["steps"][1], RECORD["steps"][2], RECORD["steps"][0]]}
    assert slots(first, until="workers") == [("master-0", [1]), ("worker-0,worker-1,worker-2", [1, 2])], "the masters bring the API back"
    back = {**RECORD, "rollback": True, "steps": [RECORD["steps"][2], step("proxies", "proxy", ["proxy-0"]), RECORD["steps"][1]]}
    assert slots(back, hosts=(*HOSTS, "proxy-0"), until="proxies") == [("worker-0,worker-1,worker-2", [1, 2]), ("proxy-0", [1])]
    with pytest.raises(AnsibleFilterError, match="update_until: found 'master', expected one of etcd, emulation"):
        progress(RECORD, until="master")


def test_a_batch_begins_when_all_before_are_done():
    assert stop(WORKERS, ["worker-0"]) == ""
    assert stop(RECORD, ["worker-0"]) == "etcd-0, master-0 did not finish"
    assert stop(WORKERS, ["worker-1", "worker-2"]) == "worker-0 did not finish"
    assert stop({**WORKERS, "done": {**WORKERS["done"], "2": ["worker-0"]}}, ["worker-1", "worker-2"]) == ""


def test_a_failure_or_a_pause_stops():
    assert stop({**WORKERS, "failed": {"worker-0": "did not start"}}, ["worker-1", "worker-2"]) == "worker-0: did not start"
    assert stop({**WORKERS, "paused": True}, ["worker-0"]) == "paused"


def test_a_worker_that_cannot_be_drained_stops_only_a_larger_batch():
    blocked = {"worker-0": "pod a is protected by PodDisruptionBudget b"}
    assert stop({**WORKERS, "blocked": blocked}, ["worker-1", "worker-2"]) == "no canary is done, because worker-0: pod a is protected by PodDisruptionBudget b"
    single = {**WORKERS, "steps": [*WORKERS["steps"][:2], step("workers", "worker", ["worker-0"], ["worker-1"], ["worker-2"])]}
    assert stop({**single, "blocked": blocked}, ["worker-1"]) == ""


def test_masters_do_not_go_back_below_a_worker_that_is_left():
    record = {**RECORD, "rollback": True, "steps": RECORD["steps"][::-1], "done": {"0": ["worker-1", "worker-2"]}}
    assert stop({**record, "blocked": {"worker-0": "x"}}, ["master-0"], step=1) == "worker-0 did not finish"


EMULATES = {
    **RECORD,
    "steps": [step("emulation", "master", ["master-0"]), *RECORD["steps"][1:]],
    "done": {"0": ["master-0"]},
    "done_at": {"0": "2020-11-30T02:00:00Z"},
}
# A plan after one that was given up when all masters emulated.
WITHOUT = {name: RECORD[name] for name in ("steps", "done", "done_at", "emulated_at")}


@pytest.mark.parametrize(
    ("change", "hours", "hour", "until"),
    [
        ({}, 0, 2, ""),
        ({}, 24, 3, "2020-12-01T02:00:00Z"),
        ({}, 0.5, 3, ""),
        ({"done": {}, "done_at": {}}, 24, 3, ""),
        ({"done": {"0": ["master-0"], "1": ["master-0"]}}, 24, 3, ""),
        ({"done_at": {}, "steps": [step("emulation", "master"), *RECORD["steps"][1:]]}, 24, 3, ""),
        ({**WITHOUT, "emulated_at": "2020-11-30T02:00:00Z"}, 24, 3, "2020-12-01T02:00:00Z"),
        ({**WITHOUT, "emulated_at": "2020-11-30T02:00:00Z"}, 0.5, 3, ""),
        ({**WITHOUT, "emulated_at": "2020-11-30T02:00:00Z", "rollback": True}, 24, 3, ""),
        ({**WITHOUT, "emulated_at": "2020-11-30T02:00:00Z", "done": {"1": ["master-0"]}}, 24, 3, ""),
        ({**WITHOUT}, 24, 3, ""),
    ],
    ids=[
        "none", "waits", "over", "before", "after",
        "its masters have left", "given up", "given up long ago", "way back", "masters are done", "nothing emulates",
    ],
)
def test_masters_soak(change, hours, hour, until):
    now = datetime.datetime(2020, 11, 30, hour, tzinfo=datetime.timezone.utc)
    assert soak({**EMULATES, **change}, hours, now) == until


def test_a_batch_after_the_emulation_waits_until_masters_have_soaked():
    record = {**EMULATES, "done_at": {"0": "2999-01-01T00:00:00Z"}}
    reason = "masters behave like the former minor until 2999-01-01T01:00:00Z"
    for batch, number in ((["master-0"], 1), (["worker-0"], 2)):
        assert progress(record, step=number, batch=batch, soak_hours=1)["stop"] == reason
    assert progress(record, soak_hours="1")["soaks_until"] == "2999-01-01T01:00:00Z"
    assert progress(EMULATES, step=1, batch=["master-0"], soak_hours=1)["stop"] == ""
    given_up = {**RECORD, "done": {"0": ["etcd-0"]}, "emulated_at": "2999-01-01T00:00:00Z"}
    for batch, number, stops in ((["etcd-0"], 0, ""), (["master-0"], 1, reason), (["worker-0"], 2, reason)):
        assert progress(given_up, step=number, batch=batch, soak_hours=1)["stop"] == stops


def test_downloads_are_those_of_the_next_step_of_a_host():
    newer = {**VERSIONS, "kubernetes": "1.37.2"}
    hops = {**RECORD, "steps": [RECORD["steps"][1], {**RECORD["steps"][1], "versions": newer}]}
    assert progress(hops)["downloads"]["master-0"]["versions"] == VERSIONS
    found = progress({**hops, "done": {"0": ["master-0"]}})["downloads"]
    assert found["master-0"]["versions"] == newer and "kube-apiserver" in found["master-0"]["components"]


def test_a_run_drains_fewer_workers_than_the_plan():
    steps = [*WORKERS["steps"][:2], {**WORKERS["steps"][2], "drain": {"worker-0": "reboot", "worker-1": "reboot"}}]
    record = {**WORKERS, "steps": steps}
    assert progress(record, step=2)["drain"] == {"worker-0": "reboot", "worker-1": "reboot"}
    found = progress(record, step=2, skip_drain=["worker-0"])
    assert found["drain"] == {"worker-1": "reboot"} and found["text"][-2:] == ["   - worker-0", "   - worker-1 (drained: reboot), worker-2"]
    assert progress(record, step=2, drain="never")["drain"] == {} == progress({})["drain"] == progress({**RECORD, "steps": []})["drain"]


def test_line():
    assert progress(WORKERS, step=2, batch=["worker-0"])["line"] == (
        "worker-0: host 1 of 3, step 3 of 3, workers: kubernetes 1.36.3, containerd 2.4.2, runc 1.5.2, cni-plugins 1.9.1, flannel 0.28.10"
    )
    assert progress({**WORKERS, "done": {**WORKERS["done"], "2": ["worker-0"]}}, step=2, batch=["worker-1", "worker-2"])["line"].startswith(
        "worker-1, worker-2: hosts 2 to 3 of 3, "
    )
    blocked = {**WORKERS, "blocked": {"worker-0": "a pod blocks it"}}
    assert progress(blocked, step=2, batch=["worker-1"])["line"].startswith("worker-1: host 2 of 3, ")

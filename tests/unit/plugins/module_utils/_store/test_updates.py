# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of an update."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.local import LocalBackend
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.store import revise
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.updates import following_in, operate, reached, read, summary
from ansible_collections.cfcr.kubernetes.plugins.module_utils._timestamp import from_timestamp

PLAN = {
    "id": "update-1.36.3-0a1b2c3d",
    "from": {"kubernetes": "1.35.4"},
    "to": {"kubernetes": "1.36.3"},
    "rollback": False,
    "configuration": False,
    "packages": False,
    "recreate": [],
    "steps": [{"phase": "etcd", "group": "etcd", "versions": {"kubernetes": "1.36.3"}, "emulated": "", "batches": [["etcd-1"], ["etcd-0"]]}],
    "left_out": {},
    "options": {"update_canaries": "1", "update_drain": "auto", "update_skip_drain": ["worker-1"], "update_emulate": True},
}
FRESH = {"unplanned": []}  # of a plan, and not of the record
NEW = {"reached": {}, "following": {}, "emulated_at": "", "given_up": [], "failed": {}, "blocked": {}, "paused": False, "finished": False}
BACK = {**PLAN, "id": "update-1.35.4-ffffffff", "from": PLAN["to"], "to": PLAN["from"], "rollback": True}


@pytest.fixture
def backend(tmp_path):
    return LocalBackend({"directory": str(tmp_path / "store"), "versions": 10})


def change(backend, state, check_mode=False, **options):
    defaults = {"plan": {}, "replace": False, "backup": "", "step": 0, "hosts": [], "failed": {}, "blocked": {}}
    if "plan" in options:
        options["plan"] = {**FRESH, **options["plan"]}
    return operate(backend, {"state": state, **defaults, **options}, check_mode)["record"]


def test_without_an_update(backend):
    assert change(backend, "query") == {} == summary(backend)


def test_an_update_is_resumed_with_its_plan(backend):
    change(backend, "begun", plan=PLAN)
    change(backend, "backed_up", backup="prod-20261129T221500Z.cfcr")
    change(backend, "done", hosts=["etcd-1"])
    change(backend, "done", hosts=["etcd-1", "etcd-0"])
    resumed = change(backend, "begun", plan={**PLAN, "id": "another", "steps": []})
    from_timestamp(resumed["done_at"].pop("0"))
    assert resumed == {**PLAN, "backup": "prod-20261129T221500Z.cfcr", "done": {"0": ["etcd-1", "etcd-0"]}, "done_at": {}, **NEW}


def test_summary(backend):
    change(backend, "begun", plan=PLAN)
    change(backend, "done", hosts=["etcd-1"])
    its = summary(backend)
    assert (its["phase"], its["done"], its["changes"], its["waiting"]) == ("etcd", 1, 2, ["etcd-0"])
    change(backend, "done", hosts=["etcd-0"])
    assert (summary(backend)["phase"], summary(backend)["waiting"]) == ("end", [])


def test_hosts_keep_what_they_have_reached_until_the_update_is_finished(backend):
    old, new = {"kubernetes": "1.35.4"}, {"kubernetes": "1.36.3"}
    steps = [{"versions": new, "emulated": "1.35", "batches": []}, {"versions": new, "emulated": "", "batches": []}]
    assert reached(backend) == {}
    change(backend, "begun", plan={**PLAN, "from": old, "steps": steps})
    change(backend, "done", step=0, hosts=["master-0", "master-1"])
    change(backend, "done", step=1, hosts=["master-0"])
    assert reached(backend) == {"master-0": {"versions": new, "emulated": ""}, "master-1": {"versions": new, "emulated": "1.35"}}
    change(backend, "finished")
    assert reached(backend) == {}


def test_a_plan_that_is_given_up_keeps_what_hosts_have_reached(backend):
    """The next one may end early as well, and so on."""
    old, new = {"kubernetes": "1.35.4"}, {"kubernetes": "1.36.3"}
    there = [{"versions": new, "emulated": "", "batches": []}, {"versions": new, "emulated": "1.35", "batches": []}]
    back = [{"versions": old, "emulated": "", "batches": []}]
    change(backend, "begun", plan={**PLAN, "steps": there})
    change(backend, "done", step=0, hosts=["etcd-0"])
    change(backend, "done", step=1, hosts=["master-0", "master-1"])
    kept = {
        "etcd-0": {"versions": new, "emulated": ""},
        "master-0": {"versions": new, "emulated": "1.35"},
        "master-1": {"versions": new, "emulated": "1.35"},
    }
    change(backend, "begun", plan={**BACK, "steps": back}, replace=True)
    assert reached(backend) == kept
    change(backend, "done", step=0, hosts=["master-1"])
    change(backend, "begun", plan={**PLAN, "steps": there}, replace=True)
    assert reached(backend) == {**kept, "master-1": {"versions": old, "emulated": ""}}
    change(backend, "finished")
    assert reached(backend) == {}
    assert change(backend, "begun", plan=PLAN)["reached"] == {}


def test_hosts_have_a_next_step_until_the_update_is_finished(backend):
    """A run that was killed may have begun with it, also in a plan that was given up."""
    old, new = {"versions": {"kubernetes": "1.35.4"}, "emulated": ""}, {"versions": {"kubernetes": "1.36.3"}, "emulated": ""}
    emulating = {**new, "emulated": "1.35"}
    assert following_in(read(backend)) == {}
    change(backend, "begun", plan={**PLAN, "steps": [{**emulating, "batches": [["master-0"], ["master-1"]]}, {**new, "batches": [["master-0"]]}]})
    change(backend, "done", step=0, hosts=["master-0"])
    assert following_in(read(backend)) == {"master-0": [new], "master-1": [emulating]}
    change(backend, "begun", plan={**BACK, "steps": [{**old, "batches": [["master-1", "worker-0"]]}]}, replace=True)
    assert following_in(read(backend)) == {"master-0": [new], "master-1": [emulating, old], "worker-0": [old]}
    change(backend, "done", step=0, hosts=["master-1"])
    change(backend, "begun", plan={**PLAN, "steps": [{**emulating, "batches": [["master-1"]]}]}, replace=True)
    assert following_in(read(backend)) == {"master-0": [new], "master-1": [emulating], "worker-0": [old]}
    change(backend, "finished")
    assert following_in(read(backend)) == {} == change(backend, "begun", plan=PLAN)["following"]


def test_a_soak_outlasts_its_plan(backend):
    new = {"versions": {"kubernetes": "1.36.3"}, "emulated": ""}
    emulation, masters = ({**new, "emulated": emulated, "batches": [["master-0"], ["master-1"]]} for emulated in ("1.35", ""))
    first = {**PLAN, "steps": [emulation, masters]}
    assert change(backend, "begun", plan=first)["emulated_at"] == ""
    at = change(backend, "done", step=0, hosts=["master-0", "master-1"])["done_at"]["0"]
    second = {**PLAN, "id": "second", "steps": [masters]}
    for plan in (second, BACK, {**PLAN, "id": "third", "steps": [masters]}):
        assert change(backend, "begun", plan=plan, replace=True)["emulated_at"] == at
    change(backend, "done", step=0, hosts=["master-0", "master-1"])
    assert change(backend, "begun", plan={**second, "id": "fourth"}, replace=True)["emulated_at"] == "", "none emulates"


def test_a_soak_whose_beginning_is_not_known_begins_with_the_next_plan(backend):
    step = {"versions": {"kubernetes": "1.36.3"}, "emulated": "1.35", "batches": [["master-0"], ["master-1"]]}
    change(backend, "begun", plan={**PLAN, "steps": [step]})
    written = change(backend, "done", step=0, hosts=["master-0"])
    backend.write("update/plan", {**written, "done_at": {"0": "2020-11-30T02:00:00Z"}}, 2)
    assert change(backend, "begun", plan={**PLAN, "id": "second"}, replace=True)["emulated_at"] > "2026"


def test_plans_that_are_given_up_are_named_until_an_update_is_finished(backend):
    """Nodes may still be cordoned by them."""
    change(backend, "begun", plan=PLAN)
    assert change(backend, "begun", plan=BACK, replace=True)["given_up"] == [PLAN["id"]]
    assert change(backend, "begun", plan=BACK)["given_up"] == [PLAN["id"]]
    assert change(backend, "begun", plan=PLAN, replace=True)["given_up"] == [BACK["id"]]
    change(backend, "finished")
    assert change(backend, "begun", plan=BACK)["given_up"] == []


def test_each_run_tries_again_what_failed(backend):
    change(backend, "begun", plan=PLAN)
    change(backend, "done", blocked={"worker-0": "web"})
    record = change(backend, "done", hosts=["etcd-1"], failed={"etcd-0": "did not start"})
    assert record["failed"] == {"etcd-0": "did not start"} and record["blocked"] == {"worker-0": "web"}
    resumed = change(backend, "begun", plan=PLAN)
    assert resumed["failed"] == resumed["blocked"] == {} and resumed["done"] == {"0": ["etcd-1"]}


def test_check_mode_records_nothing(backend):
    assert change(backend, "begun", check_mode=True, plan=PLAN)["id"] == PLAN["id"]
    assert change(backend, "query") == {}


def test_another_update_is_refused_until_the_first_one_is_given_up(backend):
    change(backend, "begun", plan=PLAN)
    with pytest.raises(HostError, match="found the update to Kubernetes 1.36.3 that is not finished"):
        change(backend, "begun", plan=BACK)
    assert change(backend, "begun", plan=BACK, replace=True)["id"] == BACK["id"]
    another = {**BACK, "id": "update-1.35.4-00000000"}
    assert change(backend, "begun", plan=another)["id"] == BACK["id"] == change(backend, "begun", plan=another, replace=True)["id"]
    forward = {**PLAN, "id": "update-1.36.3-00000000"}
    assert change(backend, "begun", plan=PLAN, replace=True)["id"] == PLAN["id"] == change(backend, "begun", plan=forward)["id"]
    assert change(backend, "begun", plan=forward, replace=True)["id"] == forward["id"]


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"update_canaries": "2"}, "update_canaries: found 2, expected 1, with which the update"),
        ({"update_drain": "always"}, "update_drain: found always, expected auto"),
        ({"update_emulate": False}, "update_emulate: found false, expected true"),
        ({"update_skip_drain": []}, "update_skip_drain: found nothing, expected worker-1"),
        ({"update_drain": "never"}, None),
        ({"update_skip_drain": ["worker-0", "worker-1"]}, None),
    ],
)
def test_options_that_cannot_follow_the_plan_are_refused(backend, changed, found):
    """A run may drain fewer workers than the plan: pods may block it."""
    change(backend, "begun", plan=PLAN)
    another = {**PLAN, "id": "update-1.36.3-00000000", "options": {**PLAN["options"], **changed}}
    if found is None:
        assert change(backend, "begun", plan=another) == change(backend, "query") and change(backend, "query")["id"] == PLAN["id"]
        return
    with pytest.raises(HostError, match=f"{found}.*update_action=replan"):
        change(backend, "begun", plan=another)
    assert change(backend, "begun", plan=another, replace=True)["options"] == another["options"]


def test_hosts_that_have_joined_since_need_another_plan(backend):
    """The way back makes one by itself, since no other action leads back."""
    change(backend, "begun", plan=PLAN)
    late = {**PLAN, "id": "update-1.36.3-00000000", "unplanned": ["worker-7"]}
    with pytest.raises(HostError, match="found former versions on worker-7, expected hosts that the plan of the update has"):
        change(backend, "begun", plan=late)
    assert change(backend, "query")["id"] == PLAN["id"]
    assert change(backend, "begun", plan=late, replace=True)["id"] == late["id"] and "unplanned" not in change(backend, "query")
    change(backend, "begun", plan=BACK, replace=True)
    back = {**BACK, "id": "update-1.35.4-00000000", "unplanned": ["worker-7"]}
    assert change(backend, "begun", plan=back, replace=True)["id"] == back["id"]


def test_another_update_follows_a_finished_one(backend):
    change(backend, "begun", plan=PLAN)
    change(backend, "finished")
    assert summary(backend) == {} and change(backend, "query")["finished"]
    assert change(backend, "begun", plan=BACK) == {**BACK, "backup": "", "done": {}, "done_at": {}, **NEW}


def test_a_pause_ends_when_the_update_is_resumed(backend):
    change(backend, "begun", plan=PLAN)
    assert change(backend, "paused")["paused"] and summary(backend)["paused"]
    assert change(backend, "done", hosts=["etcd-1"])["paused"]
    assert not change(backend, "begun", plan=PLAN)["paused"]


@pytest.mark.parametrize("finish", [False, True])
def test_only_an_update_that_is_not_finished_is_paused(backend, finish):
    if finish:
        change(backend, "begun", plan=PLAN)
        change(backend, "finished")
    with pytest.raises(HostError, match="update_action: found pause, but no update"):
        change(backend, "paused")


def test_a_damaged_record_is_named(backend):
    backend.write("update/plan", {"id": "x"}, 0)
    with pytest.raises(HostError, match="damaged, to, rollback"):
        change(backend, "query")


def test_a_record_of_an_earlier_version_is_read(backend):
    written = change(backend, "begun", plan=PLAN)
    later = ("reached", "following", "emulated_at", "given_up", "options")
    backend.write("update/plan", {name: value for name, value in written.items() if name not in later}, 1)
    assert change(backend, "query") == {**written, "options": {}}
    assert change(backend, "begun", plan={**PLAN, "options": {"update_canaries": "2"}})["id"] == PLAN["id"], "nobody knows what it was"


def test_a_document_that_another_run_has_written_meanwhile_is_read_again(backend):
    """Neither change is lost."""
    seen = []

    def change(content):
        seen.append(content["hosts"] if content else [])
        if len(seen) == 1:
            backend.write("update/test", {"hosts": ["others"]}, 0)
        return {}, {"hosts": [*seen[-1], "own"]}

    revise(backend, "update/test", change, check_mode=False)
    assert seen == [[], ["others"]]
    assert backend.read("update/test").content["hosts"] == ["others", "own"]

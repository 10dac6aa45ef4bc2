# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who gets the lock of a cluster, and who does not."""

from __future__ import annotations

import concurrent.futures

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store import lock as store_lock
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.local import LocalBackend


def run(name, controller="here"):
    return {"id": name, "controller": controller, "hostname": controller, "pid": 1, "user": "root", "job": "", "playbook": f"{name}.yml"}


@pytest.fixture
def lock(tmp_path, monkeypatch):
    """Return a function that asks for the lock, at a time."""
    backend = LocalBackend({"directory": str(tmp_path / "store"), "versions": 10})

    def ask(name, controller="here", at=1000.0, check_mode=False, **options):
        monkeypatch.setattr(store_lock.time, "time", lambda: at)
        given = {key: value.get("default") for key, value in store_lock.SPEC.items()}
        return store_lock.operate(backend, {**given, "holder": run(name, controller), **options}, check_mode)

    ask.path = tmp_path / "store/lock/run.json"
    return ask


def test_the_second_one_is_told_who_has_it(lock):
    lock("first")
    with pytest.raises(HostError, match=r"first.yml has been changing the cluster for 65 s \(user root on here, process 1; last renewed 65 s ago"):
        lock("second", at=1065.0)
    assert "first.yml" in lock("second", on_held="report")["held"]


def test_it_is_free_when_it_was_released_as_often_as_taken(lock):
    lock("first")
    lock("first")
    lock("first", state="absent")
    assert lock("second", on_held="report")["held"]
    lock("first", state="absent")
    assert not lock("second")["held"]


def test_another_run_does_not_release_it(lock):
    lock("first")
    lock("second", state="absent")
    assert lock("second", on_held="report")["held"]


def test_what_is_seen_to_be_dead_is_taken_over_with_a_warning(lock):
    lock("first")
    taken = lock("second", gone="first")
    assert taken["holder"]["id"] == "second"
    assert "first.yml" in taken["warnings"][0]


@pytest.mark.parametrize(("controller", "at", "held"), [("here", 99999.0, True), ("there", 1900.0, True), ("there", 1901.0, False)])
def test_the_lease_counts_for_other_controllers_only(lock, controller, at, held):
    lock("first")
    assert bool(lock("second", controller, at, on_held="report")["held"]) is held


def test_the_lease_runs_from_the_last_renewal(lock):
    lock("first")
    lock("first", state="renewed", at=1800.0)
    assert lock("second", "there", 2000.0, on_held="report")["held"]


def test_whoever_lost_it_learns_so_when_it_renews(lock):
    lock("first")
    lock("second", "there", 2000.0)
    with pytest.raises(HostError, match="second.yml has been changing"):
        lock("first", state="renewed", at=2001.0)


def test_an_override_takes_it(lock):
    lock("first")
    assert lock("second", override=True)["holder"]["id"] == "second"


def test_what_was_seen_before_a_change_is_not_acted_on(lock):
    seen = lock("second", state="query")
    assert seen["serial"] == 0
    lock("first")
    lock("first", state="absent")
    assert lock("second", serial=seen["serial"], on_held="report")["held"] == "another run has changed the cluster in the meantime"
    assert not lock("second", serial=lock("second", state="query")["serial"])["held"]


def test_check_mode_and_queries_leave_nothing(lock):
    lock("first", check_mode=True)
    lock("first", state="query")
    assert not lock.path.exists()
    lock("first")
    before = lock.path.read_bytes()
    assert lock("second", check_mode=True)["held"]
    assert lock.path.read_bytes() == before


def test_a_document_that_is_no_lock_is_not_overwritten(lock):
    lock("first")
    lock.path.write_text('{"versions": [{"version": 1}]}')
    with pytest.raises(HostError, match="damaged"):
        lock("second")


def test_of_many_at_once_one_gets_it(lock):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: lock(f"run{number}", on_held="report"), range(8)))
    assert sum(not answer["held"] for answer in answers) == 1


@pytest.mark.parametrize(("seconds", "text"), [(-3, "0 s"), (119, "119 s"), (125, "2 min 5 s")])
def test_ages_are_for_people(seconds, text):
    assert store_lock.age(seconds) == text

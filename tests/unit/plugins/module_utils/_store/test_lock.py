# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lock of a cluster: holders, leases, overrides."""

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
    """Return a function that requests the lock at a given time."""
    backend = LocalBackend({"directory": str(tmp_path / "store"), "versions": 10})

    def ask(name, controller="here", at=1000.0, check_mode=False, **options):
        monkeypatch.setattr(store_lock.time, "time", lambda: at)
        given = {key: value.get("default") for key, value in store_lock.SPEC.items()}
        return store_lock.operate(backend, {**given, "holder": run(name, controller), **options}, check_mode)

    ask.path = tmp_path / "store/lock/run.json"
    return ask


def test_a_second_run_learns_the_holder(lock):
    lock("first")
    with pytest.raises(HostError, match=r"first.yml has been changing the cluster for 65 s \(user root on here, process 1; last renewed 65 s ago"):
        lock("second", at=1065.0)
    assert "first.yml" in lock("second", on_held="report")["held"]


def test_the_lock_is_free_after_as_many_releases_as_acquisitions(lock):
    lock("first")
    lock("first")
    lock("first", state="absent")
    assert lock("second", on_held="report")["held"]
    lock("first", state="absent")
    assert not lock("second")["held"]


def test_another_run_cannot_release_the_lock(lock):
    lock("first")
    lock("second", state="absent")
    assert lock("second", on_held="report")["held"]


def test_the_lock_of_a_dead_run_is_taken_over_with_a_warning(lock):
    lock("first")
    taken = lock("second", gone="first")
    assert taken["holder"]["id"] == "second"
    assert "first.yml" in taken["warnings"][0]


@pytest.mark.parametrize(("controller", "at", "held"), [("here", 99999.0, True), ("there", 1900.0, True), ("there", 1901.0, False)])
def test_the_lease_expires_only_for_other_controllers(lock, controller, at, held):
    lock("first")
    assert bool(lock("second", controller, at, on_held="report")["held"]) is held


def test_the_lease_starts_at_the_last_renewal(lock):
    lock("first")
    lock("first", state="renewed", at=1800.0)
    assert lock("second", "there", 2000.0, on_held="report")["held"]


def test_a_lost_lock_is_reported_at_renewal(lock):
    lock("first")
    lock("second", "there", 2000.0)
    with pytest.raises(HostError, match="second.yml has been changing"):
        lock("first", state="renewed", at=2001.0)


def test_a_renewal_takes_no_lock_that_another_run_has_had(lock):
    """Its changes may contradict what this run has planned."""
    lock("first")
    lock("second", "there", 2000.0)
    with pytest.raises(HostError, match="found that this run has lost the cluster lock, expected to hold it"):
        lock("first", state="renewed", at=9999.0)  # the lease of the second one has expired
    lock("second", "there", 2000.0, state="absent")
    with pytest.raises(HostError, match="another run may have changed the cluster"):
        lock("first", state="renewed", at=2001.0)
    assert not lock("first", state="renewed", at=2001.0, check_mode=True)["held"]
    assert lock("second", state="query")["holder"] == {}


def test_an_expired_lease_is_renewed_if_no_other_run_has_had_the_lock(lock):
    lock("first")
    assert lock("first", state="renewed", at=9999.0)["serial"] == 1
    assert lock("second", "there", 10000.0, on_held="report")["held"]


def test_an_override_takes_the_lock(lock):
    lock("first")
    assert lock("second", override=True)["holder"]["id"] == "second"


def test_a_lock_is_refused_if_the_cluster_has_changed_since_the_query(lock):
    seen = lock("second", state="query")
    assert seen["serial"] == 0
    lock("first")
    lock("first", state="absent")
    assert lock("second", serial=seen["serial"], on_held="report")["held"] == "another run has changed the cluster in the meantime"
    assert not lock("second", serial=lock("second", state="query")["serial"])["held"]


def test_check_mode_and_queries_write_no_lock(lock):
    lock("first", check_mode=True)
    lock("first", state="query")
    assert not lock.path.exists()
    lock("first")
    before = lock.path.read_bytes()
    assert lock("second", check_mode=True)["held"]
    assert lock.path.read_bytes() == before


def test_an_invalid_document_is_not_overwritten(lock):
    lock("first")
    lock.path.write_text('{"versions": [{"version": 1}]}')
    with pytest.raises(HostError, match="damaged"):
        lock("second")


def test_one_of_many_concurrent_runs_gets_the_lock(lock):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: lock(f"run{number}", on_held="report"), range(8)))
    assert sum(not answer["held"] for answer in answers) == 1


@pytest.mark.parametrize(("seconds", "text"), [(-3, "0 s"), (119, "119 s"), (125, "2 min 5 s")])
def test_ages_are_readable(seconds, text):
    assert store_lock.age(seconds) == text

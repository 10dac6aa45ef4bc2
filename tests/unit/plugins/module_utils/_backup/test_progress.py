# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a restore: it goes on under the same token, and revisions always become higher."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup import progress
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup.progress import BUMP, bump_for
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.local import LocalBackend
from hypothesis import given
from hypothesis import strategies as st

ID, OTHER = "prod-20261129T010003Z.cfcr", "prod-20261130T010003Z.cfcr"


@pytest.fixture
def backend(tmp_path):
    return LocalBackend({"directory": str(tmp_path), "versions": 10})


def test_the_first_bump_is_the_one_of_etcds_documentation():
    assert bump_for(42, 0) == BUMP


@given(st.lists(st.tuples(st.integers(1, BUMP - 1), st.integers(0, BUMP - 1)), min_size=1, max_size=6))
def test_a_backup_from_before_a_restore_ends_above_what_clients_know(restores):
    former = 0
    for revision, written in restores:
        known = former + written if former else 0
        now = revision + bump_for(revision, former)
        assert now > known
        former = now


@given(st.integers(1, 10 * BUMP), st.integers(1, BUMP - 1), st.integers(0, BUMP // 2 - 1))
def test_a_living_etcd_counts_if_the_store_of_the_last_restore_is_lost(living, revision, written):
    assert revision + bump_for(revision, 0, living) > living + written
    assert bump_for(living, 0, living) == BUMP


def test_the_same_backup_goes_on_and_another_one_begins(backend):
    begun = progress.begin(backend, ID, 42, lost=True)
    assert (begun["phase"], begun["store"], begun["revision"]) == ("importing", "imported", BUMP + 42)
    progress.note(backend, "begun")
    again = progress.begin(backend, ID, 42, lost=False)
    assert (again["token"], again["phase"], again["store"]) == (begun["token"], "begun", "imported")
    other = progress.begin(backend, OTHER, 50, lost=False)
    assert other["token"] != begun["token"] and (other["phase"], other["revision"]) == ("begun", 2 * BUMP + 50)


def test_a_finished_restore_of_the_same_backup_begins_again(backend):
    first = progress.begin(backend, ID, 42, lost=False)
    assert progress.unfinished(first)
    for phase in ("restored", "finished"):
        progress.note(backend, phase)
    assert not progress.unfinished(progress.read(backend))
    second = progress.begin(backend, ID, 42, lost=False)
    assert second["token"] != first["token"] and second["revision"] > first["revision"]


def test_nothing_is_noted_without_a_restore(backend):
    assert progress.read(backend) == {} and not progress.unfinished({})
    with pytest.raises(HostError, match="found no restore that has begun"):
        progress.note(backend, "restored")


def test_a_damaged_record(backend):
    backend.write("restore/progress", {"id": ID, "phase": "lost"}, 0)
    with pytest.raises(HostError, match="damaged record of a restore"):
        progress.read(backend)

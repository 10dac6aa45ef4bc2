# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Versions of a cluster in the middle of an update."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup.versions import newest_versions, oldest_versions
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.local import LocalBackend
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.store import Store
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.updates import operate
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.versions import RECORD

OLD, NEW = {"kubernetes": "1.36.3", "etcd": "3.6.16", "runc": "1.5.2"}, {"kubernetes": "1.37.1", "etcd": "3.7.3", "runc": "1.6.0"}
STEPS = [
    {"phase": name, "group": name, "versions": NEW, "emulated": "", "batches": [[f"{name}-1"], [f"{name}-0"]]} for name in ("etcd", "master", "worker")
]

PLAN = {"id": "x", "from": OLD, "to": NEW, "rollback": False, "configuration": False, "packages": False, "recreate": [], "steps": STEPS, "left_out": {}}
HOSTS = [name for step in STEPS for batch in step["batches"] for name in batch]


@pytest.fixture
def store(tmp_path):
    return Store(LocalBackend({"directory": str(tmp_path / "store"), "versions": 10}))


def update(store, state, **options):
    return operate(store.backend, {"state": state, "plan": {}, "replace": False, "step": 0, "hosts": [], "failed": {}, "blocked": {}, **options}, False)


def test_an_empty_store_has_none(store):
    assert newest_versions(store) == oldest_versions(store, HOSTS) == {}


@pytest.mark.parametrize(
    ("done", "most", "least"),
    [
        ([], OLD, OLD),
        ([(0, "etcd-1")], NEW, OLD),
        ([(0, "etcd-1"), (0, "etcd-0")], NEW, {**OLD, "etcd": "3.7.3"}),
        ([(0, "etcd-1"), (0, "etcd-0"), (1, "master-1")], NEW, {**OLD, "etcd": "3.7.3"}),
        ([(0, "etcd-1"), (0, "etcd-0"), (1, "master-1"), (1, "master-0")], NEW, {**OLD, "etcd": "3.7.3", "kubernetes": "1.37.1"}),
    ],
)
def test_versions_that_wrote_the_data_and_versions_that_read_it(store, done, most, least):
    store.put(RECORD, {"type": "versions", "now": OLD, "former": {}}, {}, 0)
    update(store, "begun", plan=PLAN)
    for step, name in done:
        update(store, "done", step=step, hosts=[name])
    assert (newest_versions(store), oldest_versions(store, HOSTS)) == (most, least)
    update(store, "finished")
    assert newest_versions(store) == oldest_versions(store, HOSTS) == OLD


def test_a_host_that_was_removed_during_the_update_does_not_count(store):
    store.put(RECORD, {"type": "versions", "now": OLD, "former": {}}, {}, 0)
    update(store, "begun", plan=PLAN)
    update(store, "done", step=0, hosts=["etcd-1"])
    assert oldest_versions(store, HOSTS)["etcd"] == "3.6.16"
    assert oldest_versions(store, [name for name in HOSTS if name != "etcd-0"])["etcd"] == "3.7.3"


@pytest.mark.parametrize(("running", "newest"), [("3.7.3", "3.7.3"), ("3.7.0-rc.0", "3.7.0-rc.0"), ("3.6.15", "3.6.16"), ("", "3.6.16")])
def test_the_member_that_made_the_snapshot_may_be_newer_than_the_record(store, running, newest):
    """A run was killed before it recorded the only member."""
    store.put(RECORD, {"type": "versions", "now": OLD, "former": {}}, {}, 0)
    update(store, "begun", plan=PLAN)
    assert newest_versions(store, running) == {**OLD, "etcd": newest}

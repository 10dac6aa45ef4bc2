# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of hosts that leave the cluster, or have left it."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.local import LocalBackend
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.removals import operate, read

WORKER = {"group": "worker", "address": "10.0.0.24"}


@pytest.fixture
def backend(tmp_path):
    return LocalBackend({"directory": str(tmp_path / "store"), "versions": 10})


def change(backend, state="query", hosts=None, inventory=None, check_mode=False):
    return operate(backend, {"state": state, "hosts": hosts or {}, "inventory": inventory}, check_mode)


def states(result):
    return {name: entry["state"] for name, entry in result["removals"].items()}


def test_a_host_leaves_and_has_left(backend):
    assert change(backend)["removals"] == {}
    assert change(backend, "leaving", {"worker-3": WORKER})["changed"]
    first = read(backend)["worker-3"]
    assert first == {**WORKER, "state": "leaving", "since": first["since"]}
    assert not change(backend, "leaving", {"worker-3": WORKER})["changed"]
    assert states(change(backend, "removed", {"worker-3": WORKER})) == {"worker-3": "removed"}


def test_a_member_that_is_not_named_like_its_host_is_kept(backend):
    host = {"group": "etcd", "address": "10.0.0.69", "member": "etcd-9"}
    change(backend, "leaving", {"10.0.0.69": host, "etcd-0": {**host, "member": "etcd-0"}, "worker-3": {**WORKER, "member": ""}})
    change(backend, "removed", {"10.0.0.69": host})
    assert {name: entry.get("member") for name, entry in read(backend).items()} == {"10.0.0.69": "etcd-9", "etcd-0": None, "worker-3": None}


def test_nothing_is_recorded_in_check_mode(backend):
    assert change(backend, "leaving", {"worker-3": WORKER}, check_mode=True)["changed"]
    assert read(backend) == {}


@pytest.mark.parametrize(
    ("inventory", "left"),
    [
        ({"worker-3": "10.0.0.24"}, {"worker-3": "removed", "etcd-0": "leaving"}),
        ({}, {"etcd-0": "leaving"}),
        ({"worker-3": "10.0.0.25"}, {"etcd-0": "leaving"}),  # another machine with the same name
    ],
)
def test_an_entry_is_dropped_when_the_inventory_does_not_have_the_machine(backend, inventory, left):
    change(backend, "removed", {"worker-3": WORKER})
    change(backend, "leaving", {"etcd-0": {"group": "etcd", "address": "10.0.0.61"}})
    assert states(change(backend, inventory=inventory)) == left
    assert states(change(backend)) == left


def test_an_operator_can_take_a_host_back(backend):
    change(backend, "removed", {"worker-3": WORKER})
    assert change(backend, "absent", {"worker-3": WORKER})["removals"] == {}


@pytest.mark.parametrize("content", [{}, {"hosts": []}, {"hosts": {"a": {"group": "worker"}}}, {"hosts": {"a": {**WORKER, "state": "x", "since": ""}}}])
def test_a_damaged_record_is_named(backend, content):
    backend.write("removal/hosts", content, 0)
    with pytest.raises(HostError, match="damaged record of removed hosts"):
        read(backend)


def test_a_conflict_is_read_again(backend, monkeypatch):
    write, calls = backend.write, []

    def slow(name, content, version):
        if not calls:
            calls.append(1)
            operate(backend, {"state": "leaving", "hosts": {"etcd-0": {"group": "etcd", "address": "10.0.0.61"}}, "inventory": None}, False)
        write(name, content, version)

    monkeypatch.setattr(backend, "write", slow)
    assert states(change(backend, "leaving", {"worker-3": WORKER})) == {"worker-3": "leaving", "etcd-0": "leaving"}

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of recreated hosts."""

from __future__ import annotations

import json
import time

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.local import LocalBackend
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.recreations import operate


@pytest.fixture
def backend(tmp_path):
    return LocalBackend({"directory": str(tmp_path / "store"), "versions": 10})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store/repair/recreations.json"


def add(backend, *names, check_mode=False):
    return operate(backend, {"add": list(names)}, check_mode)


def hosts(result):
    return [entry["host"] for entry in result["recreations"]]


def test_a_record_outlasts_the_run_that_wrote_it(backend):
    assert add(backend)["recreations"] == []
    add(backend, "worker-0")
    result = add(backend, "worker-1", "etcd-0")
    assert not result["changed"]
    again = add(backend)
    assert hosts(again) == ["worker-0", "worker-1", "etcd-0"]
    assert all(0 <= again["now"] - entry["at"] < 60 for entry in again["recreations"])


def test_nothing_is_recorded_in_check_mode(backend, path):
    assert hosts(add(backend, "worker-0", check_mode=True)) == ["worker-0"]
    assert not path.exists()


def test_only_the_last_hour_counts_even_if_the_clock_was_set_back(backend):
    now = time.time()
    ages = {"old": 3700, "recent": 3500, "future": -3500, "far": -3700}
    backend.write("repair/recreations", {"recreations": [{"host": name, "at": now - age} for name, age in ages.items()]}, 0)
    assert hosts(add(backend)) == ["recent", "future"]
    add(backend, "new")
    assert hosts(backend.read("repair/recreations").content) == ["recent", "future", "new"]


@pytest.mark.parametrize(
    "entries",
    [None, {}, "x", [7], [{}], [{"host": "a"}], [{"host": 1, "at": 1}], *([{"host": "a", "at": at}] for at in ("1", None, True, float("nan"), float("inf")))],
)
def test_garbage_is_a_problem_and_nothing_is_added_to_it(backend, path, entries):
    backend.write("repair/recreations", {"recreations": entries}, 0)
    before = path.read_bytes()
    found = add(backend)
    assert found["recreations"] == []
    assert f"{path}: found a damaged record" in found["problem"]
    with pytest.raises(HostError, match="damaged record"):
        add(backend, "worker-0")
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"versions": []})])
def test_a_file_that_is_no_document_is_a_problem(backend, path, content):
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert "damaged" in add(backend)["problem"]


def test_two_runs_at_once_lose_no_entry(backend, monkeypatch):
    read = LocalBackend.read

    def interrupted(self, name):
        document = read(self, name)
        monkeypatch.setattr(LocalBackend, "read", read)
        add(self, "other")
        return document

    monkeypatch.setattr(LocalBackend, "read", interrupted)
    assert hosts(add(backend, "mine")) == ["other", "mine"]

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A written file and its directory entry are on disk when the call returns."""

from __future__ import annotations

import os
import pwd
import stat

import pytest
from _store import local_store
from ansible_collections.cfcr.kubernetes.plugins.module_utils import _files

OWNER = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def steps(tmp_path, monkeypatch):
    """The calls that affect the disk, in their order, each with the path below the temporary directory."""
    done = []

    def recorded(name, real):
        def record(target, *arguments, **options):
            path = os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else arguments[0] if name == "rename" else target
            done.append((name, os.path.relpath(path, tmp_path)))
            return real(target, *arguments, **options)

        return record

    for name in ("fsync", "mkdir", "rename"):
        monkeypatch.setattr(_files.os, name, recorded(name, getattr(os, name)))
    return done


def test_the_directory_is_synced_after_the_rename(tmp_path, steps):
    _files.write_atomically(str(tmp_path / "a"), b"x", 0o640, OWNER)
    assert [name for name, _path in steps] == ["fsync", "rename", "fsync"]
    assert steps[1:] == [("rename", "a"), ("fsync", ".")]
    assert ((tmp_path / "a").read_bytes(), stat.S_IMODE((tmp_path / "a").stat().st_mode)) == (b"x", 0o640)


def test_the_parent_of_each_new_directory_is_synced(tmp_path, steps):
    _files.make_directory(str(tmp_path / "a/b"), 0o700)
    assert steps == [("mkdir", "a"), ("fsync", "."), ("mkdir", "a/b"), ("fsync", "a")]
    _files.make_directory(str(tmp_path / "a/b"), 0o700)
    assert steps[4:] == [("mkdir", "a/b")]
    assert stat.S_IMODE((tmp_path / "a/b").stat().st_mode) == 0o700


def test_the_first_record_of_a_store_survives_a_power_loss(tmp_path, steps):
    local_store(tmp_path / "new/store").put("authorities/etcd", {}, {}, version=0)
    names = [path for step, path in steps if step in ("mkdir", "rename")]
    assert names == ["new", "new/store", "new/store/store.json", "new/store/authorities", "new/store/authorities/etcd.json"]
    for number, (step, path) in enumerate(steps):
        if step in ("mkdir", "rename"):
            assert steps[number + 1] == ("fsync", os.path.dirname(path) or ".")

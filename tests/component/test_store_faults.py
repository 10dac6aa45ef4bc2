# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Failures of the store in a directory: a full disk, killed writers, and concurrent writers."""

from __future__ import annotations

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest
from _store import local_store
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError

TESTS = pathlib.Path(__file__).parents[1]
NAME = "credentials/a"
# Increments a record the given number of times; a negative number means until killed.
WRITER = """
import conftest
from _store import local_store
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.store import Conflict
import sys
store, left = local_store(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
while left:
    record = store.get("credentials/a")
    count = record.public["count"] if record else 0
    try:
        store.put("credentials/a", {"count": count + 1}, {"key": "x" * 20000}, record.version if record else 0)
    except Conflict:
        continue
    left -= 1
"""


def writer(directory, times=-1):
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(directory), str(times)], cwd=TESTS, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_leaves_the_record_unchanged(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", disk], check=True)
    try:
        store = local_store(disk / "store")
        store.put(NAME, {}, {"key": "the first"}, version=0)
        room = disk / "room"
        room.write_bytes(b"x" * 70000)
        with pytest.raises(HostError, match=rf"^{disk}/store/credentials/a.json: cannot be written: No space left on device; it is unchanged$"):
            store.put(NAME, {}, {"key": "x" * 60000}, version=1)
        with (disk / "rest").open("wb", buffering=0) as stream, pytest.raises(OSError):
            while True:
                stream.write(b"x" * 4096)
        for name, version in ((NAME, 1), ("authorities/new", 0)):
            with pytest.raises(HostError, match="No space left on device"):
                store.put(name, {}, {"key": "the second"}, version=version)
        assert store.get(NAME).secret() == {"key": "the first"} and store.get("authorities/new") is None
        with pytest.raises(HostError, match=rf"^{disk}/other/store.json: cannot be written: No space left on device"):
            local_store(disk / "other").put(NAME, {}, {"key": "x"}, version=0)
        assert not list(disk.rglob("*.tmp"))
        room.unlink()
        store.put(NAME, {}, {"key": "the second"}, version=1)
        assert [record.secret()["key"] for record in store.history(NAME)] == ["the first", "the second"]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_killed_writers_leave_a_complete_file(tmp_path):
    version = 0
    for _time in range(8):
        process = writer(tmp_path / "s")
        time.sleep(random.uniform(0.01, 0.1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        store = local_store(tmp_path / "s")
        record = store.get(NAME)
        if record is None:  # killed before its first write
            assert version == 0 and store.history(NAME) == []
            continue
        # The versions are consecutive, and the last ten are kept.
        assert [kept.version for kept in store.history(NAME)] == list(range(max(1, record.version - 9), record.version + 1))
        assert record.version == record.public["count"] >= version and record.secret() == {"key": "x" * 20000}
        version = record.version
    assert version > 0
    (tmp_path / "s/credentials/.torn.tmp").write_text("{")  # as if a writer had been killed while it wrote
    assert local_store(tmp_path / "s").names("credentials") == ["a"]
    local_store(tmp_path / "s").put(NAME, {}, {}, version)
    assert [path.name for path in (tmp_path / "s/credentials").iterdir()] == ["a.json"]


def test_concurrent_writers_do_not_overwrite_each_other(tmp_path):
    writers = [writer(tmp_path / "s", times=20) for _number in range(4)]
    assert [process.wait() for process in writers] == [0] * 4
    record = local_store(tmp_path / "s").get(NAME)
    assert (record.version, record.public["count"]) == (80, 80)

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backup on the director, step by step, with a directory as its target."""

from __future__ import annotations

import base64
import datetime
import errno
import hashlib
import json
import os
import stat
import types
import zlib

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup import backup, directory, retention, sealed, status, target, work
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup.artifact import read_artifact
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup.directory import DirectoryTarget
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store import encryption
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.local import LocalBackend
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.store import Store

PASSPHRASE = "a long passphrase"
CONTENT = b"snapshot" * 1000
FACTS = {
    "size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest(), "revision": 42, "etcd_version": "3.6.16", "key_count": 7,
    "objects": {"pods": 3}, "secrets": {"plain": 1}, "samples": {}, "seconds": 1.0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    monkeypatch.setattr(sealed, "BACKUP_COST", encryption.Cost(64, 1))


@pytest.fixture
def run(tmp_path):
    """Return a function that does one step, as the module does."""
    store = Store(LocalBackend({"directory": str(tmp_path / "store"), "versions": 10}))
    store.put("credentials/etcd-root", {"type": "password"}, {"password": "hidden"}, 0)
    store.put("credentials/versions", {"type": "versions", "now": {"kubernetes": "1.36.3"}}, {}, 0)
    (tmp_path / "target").mkdir(exist_ok=True)

    def step(phase, check_mode=False, **options):
        given = {
            "store": {"directory": "unused"}, "cluster": "prod", "directory": str(tmp_path / "work"), "passphrase": PASSPHRASE,
            "targets": [{"type": "directory", "path": str(tmp_path / "target")}], **options,
        }  # fmt: skip
        done = ArgumentSpecValidator(backup.SPEC, required_if=backup.REQUIRED_IF).validate({"phase": phase, **given})
        assert done.error_messages == []
        return backup.operate(store, done.validated_parameters, check_mode)

    step.store, step.target, step.work = store, tmp_path / "target", tmp_path / "work"
    return step


def receive(run, name: str, content: bytes = CONTENT, piece: int = 3000) -> None:
    for offset in range(0, len(content), piece):
        packed = base64.b64encode(zlib.compress(content[offset : offset + piece])).decode()
        assert run("receive", id=name, offset=offset, content=packed)["size"] == min(offset + piece, len(content))


def make(run, **options) -> dict:
    prepared = run("prepare", **options)
    receive(run, prepared["id"])
    try:
        return run("create", id=prepared["id"], store_digest=prepared["store_digest"], snapshot=FACTS, **options)
    finally:
        run("remove", id=prepared["id"])


def test_a_backup_is_made_and_marked(run):
    made = make(run, about={"pod_cidr": "10.200.0.0/16"})
    name = made["id"]
    assert made["changed"] and retention.moment_of(name, "prod")
    assert sorted(path.name for path in run.target.iterdir()) == [name, f"{name}.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in run.target.iterdir()} == {0o600}
    assert list(run.work.iterdir()) == [] and stat.S_IMODE(run.work.stat().st_mode) == 0o700
    manifest = read_artifact(str(run.target / name), PASSPHRASE, "prod")
    assert manifest == made["manifest"]
    assert manifest["versions"] == {"kubernetes": "1.36.3"} and manifest["etcd"]["revision"] == 42 and manifest["about"] == {"pod_cidr": "10.200.0.0/16"}
    assert manifest["records"] == {"credentials/etcd-root": 1, "credentials/versions": 1}
    assert "hidden" not in json.dumps(made)
    mark = json.loads((run.target / f"{name}.json").read_text())
    assert mark["verified"] is True and mark["size"] == (run.target / name).stat().st_size and mark["objects"] == {"pods": 3}
    found = status.read(run.store.backend)
    assert found["newest"]["id"] == name and found["problem"] == ""
    assert found["targets"] == {f"directory {run.target}": {"problem": "", "newest": name}}


def test_a_kubeconfig_that_is_issued_meanwhile_does_not_matter(run):
    prepared = run("prepare")
    receive(run, prepared["id"])
    run.store.put("kubeconfigs/a", {"name": "x"}, {}, 0)
    assert run("create", id=prepared["id"], store_digest=prepared["store_digest"], snapshot=FACTS)["changed"]


def test_a_key_that_changes_meanwhile_refuses_the_backup(run):
    prepared = run("prepare")
    receive(run, prepared["id"])
    run.store.put("credentials/etcd-root", {"type": "password"}, {"password": "new"}, 1)
    with pytest.raises(HostError, match="found other CAs or credentials than before the snapshot"):
        run("create", id=prepared["id"], store_digest=prepared["store_digest"], snapshot=FACTS)
    assert list(run.target.iterdir()) == []


def test_another_snapshot_than_the_verified_one_is_refused(run):
    prepared = run("prepare")
    receive(run, prepared["id"], CONTENT[:-1] + b"x")
    with pytest.raises(HostError, match="as the host has verified"):
        run("create", id=prepared["id"], store_digest=prepared["store_digest"], snapshot=FACTS)
    assert list(run.target.iterdir()) == []


@pytest.mark.parametrize(
    ("offset", "content", "message"),
    [
        (1, base64.b64encode(zlib.compress(b"x")).decode(), "found 0 bytes, expected 1"),
        (0, base64.b64encode(zlib.compress(b"x")[:-1]).decode(), "damaged piece"),
        (0, base64.b64encode(zlib.compress(bytes(65 << 20))).decode(), "damaged piece"),
        (0, "?", "damaged piece"),
        (0, "", "damaged piece"),
    ],
)
def test_a_bad_piece(run, offset, content, message):
    with pytest.raises(HostError, match=message):
        run("receive", id=run("prepare")["id"], offset=offset, content=content)


def test_a_snapshot_does_not_fill_the_disk(run, monkeypatch):
    """A host that lies could send pieces without end."""
    name = run("prepare")["id"]
    monkeypatch.setattr(work.shutil, "disk_usage", lambda _path: types.SimpleNamespace(free=65 << 20))
    receive(run, name, CONTENT[:3000])
    monkeypatch.setattr(work.shutil, "disk_usage", lambda _path: types.SimpleNamespace(free=64 << 20))
    with pytest.raises(HostError, match="found 64 MiB of free space"):
        run("receive", id=name, offset=3000, content=base64.b64encode(zlib.compress(CONTENT[3000:])).decode())


def test_a_file_that_changes_on_its_way_is_no_backup(run, monkeypatch):
    put = DirectoryTarget.put

    def damage(self, path, name):
        put(self, path, name)
        if not name.endswith(".json"):
            content = (run.target / name).read_bytes()
            (run.target / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    monkeypatch.setattr(DirectoryTarget, "put", damage)
    with pytest.raises(HostError, match="was read back, expected"):
        make(run)
    assert [path.suffix for path in run.target.iterdir()] == [".cfcr"]
    assert target.backups(DirectoryTarget({"path": str(run.target)}), "prod", str(run.work))[0].verified is False
    found = status.read(run.store.backend)
    assert "was read back" in found["problem"] and found["newest"] == {}


def names(run) -> list[str]:
    return sorted(path.name for path in run.target.iterdir())


def put_backups(run, *days: str, verified: bool = True) -> list[str]:
    made = []
    for day in days:
        name = f"prod-{day.replace('-', '')}T010203Z.cfcr"
        (run.target / name).write_bytes(b"x" * 10)
        if verified:
            (run.target / f"{name}.json").write_text(json.dumps({"cluster": "prod", "size": 10, "verified": True}))
        made.append(name)
    return made


def test_what_killed_runs_left_is_removed_a_day_later(run):
    an_hour_ago = f"{datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1):%Y%m%dT%H%M%SZ}"
    left = ["prod-20260101T010203Z.cfcr.partial", "prod-20260101T010203Z.cfcr.json.partial", "prod-20260102T010203Z.cfcr.json"]
    kept = [f"prod-{an_hour_ago}.cfcr.partial", "staging-20260101T010203Z.cfcr.partial", "notes.partial", "prod-20260101.cfcr.partial"]
    for name in (*left, *kept):
        (run.target / name).write_text("x")
    made = make(run)["id"]
    assert names(run) == sorted([*kept, made, f"{made}.json"])


def test_a_file_that_could_not_be_written_is_not_left(run, monkeypatch):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(directory.shutil, "copyfileobj", full)
    with pytest.raises(HostError, match="cannot be written: No space left on device"):
        make(run)
    assert names(run) == []


def test_old_backups_are_removed_after_a_new_one_and_nothing_else(run):
    old = put_backups(run, "2026-01-01", "2026-01-02", "2026-01-03")
    others = ["README", "prod-20260101T010203Z.cfcr.bak", "staging-20260101T010203Z.cfcr", "staging-20260101T010203Z.cfcr.json"]
    for name in others:
        (run.target / name).write_text("x")
    made = make(run, keep={"last": 2, "daily": 0, "weekly": 0})
    assert made["targets"][f"directory {run.target}"]["removed"] == old[:2]
    assert names(run) == sorted([*others, old[2], f"{old[2]}.json", made["id"], f"{made['id']}.json"])


def test_a_backup_from_a_clock_that_was_ahead_is_no_reason_to_remove_todays(run, tmp_path):
    """It would count as the newest one, for retention and for a restore."""
    (tmp_path / "other").mkdir()
    both = [{"type": "directory", "path": str(path)} for path in (run.target, tmp_path / "other")]
    (ahead,) = put_backups(run, "2099-06-01")
    message = rf"directory {run.target}: found {ahead}, expected no backup from later than now, .* or move this file and {ahead}.json away"
    with pytest.raises(HostError, match=message):
        run("prepare")
    with pytest.raises(HostError, match=rf"{message}.* is verified at the other targets"):
        make(run, targets=both, keep={"last": 1, "daily": 1, "weekly": 1})
    assert names(run) == [ahead, f"{ahead}.json"]
    assert "newest" not in status.read(run.store.backend)["targets"][f"directory {run.target}"]


def test_a_backup_that_is_gone_after_it_was_sent_does_not_count(run, monkeypatch):
    monkeypatch.setattr(backup, "retain", lambda target, *_args: (target.remove(names(run)[0]), ([], []))[1])
    with pytest.raises(HostError, match="found no verified prod-.* after it was sent"):
        make(run)
    assert status.read(run.store.backend)["newest"] == {}


def test_nothing_is_removed_after_a_failure(run, monkeypatch):
    put_backups(run, "2026-01-01", "2026-01-02")
    before = names(run)
    monkeypatch.setattr(target, "send", lambda *_args: (nothing for nothing in ()).throw(HostError("target: failed")))
    monkeypatch.setattr(backup, "send", target.send)
    with pytest.raises(HostError, match="target: failed"):
        make(run, keep={"last": 1, "daily": 0, "weekly": 0})
    assert names(run) == before


def test_one_target_that_fails_does_not_stop_the_others(run, tmp_path):
    missing = {"type": "directory", "path": str(tmp_path / "missing")}
    targets = [missing, {"type": "directory", "path": str(run.target)}]
    prepared = run("prepare", targets=targets)
    assert "missing: found no such directory" in prepared["problems"][0]
    run("remove", id=prepared["id"])
    with pytest.raises(HostError, match=r"missing.*is verified at the other targets"):
        make(run, targets=targets)
    found = status.read(run.store.backend)
    assert found["newest"]["id"] == names(run)[0] and "missing" in found["problem"]
    assert found["targets"][f"directory {tmp_path / 'missing'}"]["problem"]


def test_failures_are_recorded_and_the_newest_backup_stays(run):
    run("fail", problem="etcd: found no quorum")
    assert status.read(run.store.backend)["newest"] == {}
    name = make(run)["id"]
    run("fail", problem="etcd: found no quorum")
    found = status.read(run.store.backend)
    assert (found["newest"]["id"], found["problem"]) == (name, "etcd: found no quorum") and found["targets"]


def test_the_age_of_the_newest_backup(run):
    now = datetime.datetime(2026, 11, 29, 22, 0, tzinfo=datetime.timezone.utc)
    assert status.summary(run.store.backend, now) == {}
    run("fail", problem="x")
    assert status.summary(run.store.backend, now)["age_hours"] is None
    status.write(run.store.backend, "2026-11-29T01:00:58Z", "", {"id": "a", "created_at": "2026-11-29T01:00:00Z"}, {"b": {"newest": "a", "problem": ""}})
    assert status.summary(run.store.backend, now)["age_hours"] == 21.0
    backend = run.store.backend
    backend.write("backup/status", {"newest": 1}, backend.read("backup/status").version)
    with pytest.raises(HostError, match="damaged record of backups"):
        status.read(backend)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"passphrase": "short"}, "passphrase: found 5 characters, expected 12 or more"),
        ({"targets": []}, "targets: found none, expected one or more"),
        ({"targets": [{"type": "directory", "path": "/nowhere/at/all"}]}, "found no such directory"),
        ({"targets": [{"type": "directory", "path": "/tmp"}] * 2}, "found directory /tmp twice"),
        ({"keep": {"last": 0}}, "keep.last: found 0, expected 1 or more"),
        ({"cluster": "../x"}, "cluster: found"),
    ],
)
def test_bad_input_is_refused_before_anything_is_made(run, options, message):
    with pytest.raises(HostError, match=message):
        run("prepare", **options)
    assert not run.work.exists()


def test_check_mode_only_checks(run):
    assert run("prepare", check_mode=True)["id"]
    both = [{"type": "directory", "path": path} for path in (str(run.target), "/nowhere/at/all")]
    with pytest.raises(HostError, match="directory /nowhere/at/all: found no such directory"):
        run("prepare", check_mode=True, targets=both)
    run("fail", check_mode=True, problem="x")
    assert not run.work.exists() and status.read(run.store.backend) == {}


def test_a_work_directory_that_others_can_read_is_refused(run):
    run.work.mkdir(mode=0o755)
    os.chmod(run.work, 0o755)
    with pytest.raises(HostError, match="found mode 0755 and owner .*, expected a directory of mode 0700"):
        run("prepare")


def test_work_of_a_run_that_was_killed_is_removed_after_a_day(run):
    old, new = run("prepare")["id"], "prod-20260101T010203Z.cfcr"
    (run.work / "mine").mkdir()
    (run.work / new).mkdir()
    os.rename(run.work / old, run.work / "prod-20250101T010203Z.cfcr")
    os.utime(run.work / "prod-20250101T010203Z.cfcr", (0, 0))
    os.utime(run.work / "mine", (0, 0))
    name = run("prepare")["id"]
    assert sorted(path.name for path in run.work.iterdir()) == sorted(["mine", new, name])


def test_an_empty_store_is_no_cluster(run, tmp_path):
    empty = Store(LocalBackend({"directory": str(tmp_path / "empty"), "versions": 10}))
    options = ArgumentSpecValidator(backup.SPEC).validate(
        {
            "phase": "prepare", "store": {"directory": "x"}, "cluster": "prod", "directory": str(run.work), "passphrase": PASSPHRASE,
            "targets": [{"type": "directory", "path": str(run.target)}],
        }
    )  # fmt: skip
    with pytest.raises(HostError, match="is empty, expected that of cluster prod"):
        backup.operate(empty, options.validated_parameters)

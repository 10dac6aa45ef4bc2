# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A restore on the director, step by step, with real backups."""

from __future__ import annotations

import base64
import concurrent.futures
import hashlib
import json
import os
import shutil
import stat
import zlib

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup import progress, restore, sealed, status
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup.artifact import write_artifact
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store import encryption
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.backup import export_records
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.local import LocalBackend
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.store import Store

PASSPHRASE = "a long passphrase"
CONTENT = b"snapshot" * 1000
ABOUT = {"service_cidr": "10.100.200.0/24", "pod_cidr": "10.200.0.0/16", "domain": "cluster.local"}
VERSIONS = {"kubernetes": "1.36.3", "etcd": "3.6.16"}
OLD, NEW = "prod-20251128T010000Z.cfcr", "prod-20251129T010000Z.cfcr"


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    monkeypatch.setattr(sealed, "BACKUP_COST", encryption.Cost(64, 1))


def open_store(path) -> Store:
    return Store(LocalBackend({"directory": str(path), "versions": 10}))


def fill(store: Store, word: str, number: int) -> None:
    """Add a version of each record."""
    version = number - 1
    store.put("credentials/etcd-root", {"type": "password", "number": number}, {"password": f"{word} password"}, version)
    key = base64.b64encode(word.encode() * 8).decode()
    store.put("credentials/encryption-at-rest", {"type": "key", "number": number}, {"key": key}, version)
    store.put("credentials/versions", {"type": "versions", "now": VERSIONS, "former": {}}, {}, version)


def manifest_of(name: str, **changes) -> dict:
    etcd = {"size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest(), "revision": 42, "key_count": 7}
    etcd |= {"etcd_version": "3.6.16", "storage_version": "3.6.0"}
    return {
        "cluster": "prod", "id": name, "created_at": "2026-11-29T01:00:00Z", "etcd": etcd, "objects": {"pods": 3}, "secrets": {"secretbox:v1:key-1": 2},
        "versions": VERSIONS, "about": ABOUT, **changes,
    }  # fmt: skip


class Director:
    """A director with two backups at a target, and a store."""

    def __init__(self, top) -> None:
        self.top, self.target, self.work = top, top / "target", top / "parent/work"
        self.target.mkdir()
        self.then = open_store(top / "then")
        fill(self.then, "then", 1)
        (top / "snapshot").write_bytes(CONTENT)
        for name in (OLD, NEW):
            self.add(name)

    def add(self, name: str, **changes) -> None:
        path = self.target / name
        write_artifact(str(path), PASSPHRASE, manifest_of(name, **changes), export_records(self.then), str(self.top / "snapshot"))
        (self.target / f"{name}.json").write_text(json.dumps({"cluster": "prod", "size": path.stat().st_size, "verified": True}))

    @property
    def store(self) -> Store:
        return open_store(self.top / "store")

    def run(self, phase: str, check_mode: bool = False, **options) -> dict:
        given = {
            "store": {"directory": "unused"}, "cluster": "prod", "directory": str(self.work), "passphrase": PASSPHRASE, "about": ABOUT, "hosts": [],
            "targets": [{"type": "directory", "path": str(self.target)}], **options,
        }  # fmt: skip
        done = ArgumentSpecValidator(restore.SPEC, required_if=restore.REQUIRED_IF).validate({"phase": phase, **given})
        assert done.error_messages == []
        return restore.operate(self.store, done.validated_parameters, check_mode)

    def restore_store(self, **options) -> dict:
        return self.run("store", manifest=self.run("prove", **options)["manifest"], **options)


@pytest.fixture
def director(tmp_path):
    return Director(tmp_path)


def secrets(store: Store) -> dict:
    return {name: history[-1]["secret"] for name, history in export_records(store).items()}


def test_the_newest_backup_is_proved_and_nothing_else_is_touched(director):
    fill(director.store, "then", 1)
    fill(director.store, "now", 2)
    before = secrets(director.store)
    (director.target / f"{NEW}.json").unlink()
    proved = director.run("prove")
    assert (proved["id"], proved["problems"], proved["continued"]) == (OLD, [], False)  # a backup without its mark does not count
    assert sorted(os.listdir(director.work)) == ["etcd.snapshot", "store.json"]
    assert stat.S_IMODE(director.work.stat().st_mode) == 0o700
    assert secrets(director.store) == before and progress.read(director.store.backend) == {}
    director.run("remove")
    assert not director.work.exists() and director.work.parent.exists()


def test_a_lost_store_is_imported(director):
    assert "is imported from the backup" in director.run("prove")["text"][1]
    done = director.restore_store()
    assert (done["progress"]["phase"], done["progress"]["store"], done["former"]) == ("begun", "imported", [])
    assert export_records(director.store) == export_records(director.then)
    assert os.listdir(director.work) == ["etcd.snapshot"]  # no secret is left


def test_a_backup_from_the_middle_of_an_update_is_restored_with_versions_that_can_read_it(director):
    """The store in it still has the versions from before, and etcd 3.6 does not start with data of 3.7."""
    newer = {"kubernetes": "1.37.1", "etcd": "3.7.3"}
    etcd = {**manifest_of(NEW)["etcd"], "etcd_version": "3.7.3", "storage_version": "3.7.0"}
    (director.target / NEW).unlink()
    director.add(NEW, versions=newer, etcd=etcd)
    assert director.run("prove")["problems"] == []
    for _again in range(2):
        director.restore_store()
        record = director.store.get("credentials/versions")
        assert (record.public["now"], record.public["former"], record.version) == (newer, VERSIONS, 2)
    director.run("note", reached="restored")
    director.run("note", reached="finished")
    director.store.put("credentials/versions", {"type": "versions", "now": VERSIONS, "former": {}}, {}, 2)
    assert "expected one that etcd 3.6.16 can read" in " ".join(director.run("prove")["problems"])


def test_an_interrupted_import_goes_on(director, monkeypatch):
    proved = director.run("prove")
    put, calls = Store.put, []

    def dying(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        put(*arguments, **options)

    monkeypatch.setattr(Store, "put", dying)
    with pytest.raises(KeyboardInterrupt):
        director.run("store", manifest=proved["manifest"])
    monkeypatch.undo()
    monkeypatch.setattr(sealed, "BACKUP_COST", encryption.Cost(64, 1))
    again = director.run("prove")
    with pytest.raises(HostError, match=f"found {OLD}, expected {NEW}"):
        director.run("prove", restore=OLD)
    again = director.run("prove")
    assert again["continued"] and "is imported" in again["text"][1] and "continues" in again["text"][-1]
    director.run("store", manifest=again["manifest"])
    assert export_records(director.store) == export_records(director.then)


def test_a_rotation_that_is_taken_back_is_named(director):
    """Its new key is accepted like that of the backup, until both are dropped."""
    fill(director.store, "now", 1)
    name = "credentials/encryption-at-rest"
    director.store.put(name, {"type": "key", "number": 2, "rotation": "trust"}, {"key": "now", "others": [{"number": 3, "key": "next"}]}, 1)
    assert f"rotations in phase trust that are taken back: {name}" in director.run("prove")["text"]
    assert name in director.restore_store()["former"]
    assert director.store.get(name).public["rotation"] == "use"


def test_a_store_that_lives_gets_former_keys(director):
    store = director.store
    fill(store, "then", 1)
    fill(store, "now", 2)
    store.put("credentials/later", {"type": "value", "value": "x"}, {}, 0)
    done = director.restore_store()
    assert (done["progress"]["store"], done["former"]) == ("kept", ["credentials/encryption-at-rest", "credentials/etcd-root"])
    assert secrets(director.store)["credentials/etcd-root"] == {"password": "now password", "others": [{"number": 1, "password": "then password"}]}
    assert director.store.get("credentials/later")
    again = director.restore_store()
    assert again == done


def test_latest_goes_on_with_the_backup_whose_restore_was_interrupted(director):
    director.restore_store()
    later = "prod-20251130T010000Z.cfcr"
    assert director.run("prove")["id"] == NEW
    director.add(later)
    # It was left before it reached etcd, so the cluster may have gone on for weeks.
    with pytest.raises(HostError, match=f"found latest, {NEW}, whose restore began .* and the newer {later}, expected the name of one of them"):
        director.run("prove")
    assert [director.run("prove", restore=name)["id"] for name in (NEW, later)] == [NEW, later]
    director.run("note", reached="restored")
    assert director.run("prove")["id"] == NEW
    director.run("note", reached="finished")
    assert director.run("prove")["id"] == later


def test_the_store_only(director):
    director.restore_store(only="store")
    assert export_records(director.store) == export_records(director.then)
    assert not progress.unfinished(progress.read(director.store.backend))
    assert director.restore_store(only="store")["former"] == []
    director.store.put("credentials/other", {"type": "value", "value": "x"}, {}, 0)
    with pytest.raises(HostError, match="nothing was changed"):
        director.run("prove", only="store")


def test_the_store_only_does_not_end_a_restore_of_everything(director):
    """Health, repair and update would take the cluster for a whole one."""
    director.restore_store()
    for name in (NEW, OLD):
        with pytest.raises(HostError, match=f"the restore of {NEW}, in phase begun since .*, has not finished. Finish it first"):
            director.run("prove", only="store", restore=name)
    assert progress.read(director.store.backend)["phase"] == "begun"
    director.run("note", reached="finished")
    assert director.run("prove", only="store")["id"] == NEW


def test_the_store_only_goes_on_if_it_was_killed(director, monkeypatch):
    fill(director.store, "then", 1)
    proved = director.run("prove", only="store")
    monkeypatch.setattr(restore, "import_records", lambda *_args: (nothing for nothing in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        director.run("store", only="store", manifest=proved["manifest"])
    monkeypatch.undo()
    monkeypatch.setattr(sealed, "BACKUP_COST", encryption.Cost(64, 1))
    assert director.restore_store(only="store")["progress"]["phase"] == "finished"


def test_a_file_of_the_director(director):
    assert director.run("prove", restore=str(director.target / OLD), targets=[])["id"] == OLD
    assert (director.target / OLD).exists()


def test_a_target_that_fails_does_not_count_if_another_has_the_backup(director):
    both = [{"type": "directory", "path": "/nowhere"}, {"type": "directory", "path": str(director.target)}]
    assert director.run("prove", targets=both, restore=NEW)["id"] == NEW
    with pytest.raises(HostError, match="found no backup: directory /nowhere: found no such directory"):
        director.run("prove", targets=both[:1], restore=NEW)


def test_latest_needs_an_answer_of_every_target(director):
    """The one that does not answer may have a backup of today, and the other one that of last week."""
    both = [{"type": "directory", "path": "/nowhere"}, {"type": "directory", "path": str(director.target)}]
    with pytest.raises(HostError, match=f"expected the name of a backup.*at the others is {NEW}. directory /nowhere: found no such directory"):
        director.run("prove", targets=both)


def test_an_old_backup_under_a_newer_name_does_not_count(director):
    """A target, or somebody who copies files by hand, may confuse them. Each of them is authentic."""
    other = director.top / "other"
    shutil.copytree(director.target, other)
    for suffix in ("", ".json"):
        shutil.copy(director.target / f"{OLD}{suffix}", director.target / f"{NEW}{suffix}")
    both = [{"type": "directory", "path": str(path)} for path in (director.target, other)]
    for given in ("latest", NEW):
        assert director.run("prove", targets=both, restore=given)["id"] == NEW
        with pytest.raises(HostError, match=f"{director.target}, {NEW}: found the backup {OLD} under this name"):
            director.run("prove", restore=given)
    assert director.run("prove", restore=str(director.target / NEW))["id"] == OLD


def test_latest_is_not_older_than_what_the_store_has_recorded(director):
    later = "prod-20251130T010000Z.cfcr"
    status.write(director.store.backend, "2025-11-30T01:00:58Z", "", {"id": later, "created_at": "2025-11-30T01:00:00Z"}, {})
    with pytest.raises(HostError, match=f"found latest, and {NEW} as the newest backup at the targets, expected {later}"):
        director.run("prove")
    assert director.run("prove", restore=NEW)["id"] == NEW
    director.add(later)
    assert director.run("prove")["id"] == later


def test_latest_is_none_of_a_clock_that_was_ahead(director):
    director.add("prod-20990601T010000Z.cfcr")
    with pytest.raises(HostError, match="expected the name of a backup.*found prod-20990601T010000Z.cfcr, expected no backup from later than now"):
        director.run("prove")
    assert director.run("prove", restore=NEW)["id"] == NEW


def test_a_damaged_copy_does_not_count_if_another_is_whole(director):
    other = director.top / "other"
    shutil.copytree(director.target, other)
    damaged = director.target / NEW
    damaged.write_bytes(damaged.read_bytes()[:-30] + b"x" * 30)
    both = [{"type": "directory", "path": str(path)} for path in (director.target, other)]
    assert director.run("prove", targets=both)["id"] == NEW
    assert sorted(os.listdir(director.work)) == ["etcd.snapshot", "store.json"]
    with pytest.raises(HostError, match="damaged|not encrypted"):
        director.run("prove", targets=both[:1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"restore": "../x.cfcr"}, "No such file"),
        ({"restore": "staging-20251129T010000Z.cfcr"}, "expected latest, a name such as prod-"),
        ({"restore": "prod-20200101T000000Z.cfcr"}, "found no prod-20200101T000000Z.cfcr"),
        ({"passphrase": "another passphrase"}, "not encrypted with this passphrase"),
        ({"cluster": "staging", "restore": "TARGET"}, "found a backup of cluster prod, expected one of staging"),
        ({"targets": []}, "targets: found none"),
    ],
)
def test_mistakes_touch_nothing(director, options, message):
    given = {name: str(director.target / NEW) if value == "TARGET" else value for name, value in options.items()}
    with pytest.raises(HostError, match=message):
        director.run("prove", **given)
    assert secrets(director.store) == {}


def test_one_flipped_bit_is_refused(director):
    content = bytearray((director.target / NEW).read_bytes())
    content[-30] ^= 1
    (director.target / NEW).write_bytes(content)
    with pytest.raises(HostError, match="damaged|not encrypted"):
        director.run("prove", restore=NEW)
    assert secrets(director.store) == {}


def test_a_directory_with_other_files_is_left_alone(director):
    director.work.mkdir(parents=True)
    for name in ("precious", OLD, "store.json"):
        (director.work / name).write_text("kept")
    for options in ({}, {"restore": str(director.work / OLD)}):
        with pytest.raises(HostError, match="expected a directory that only restores use"):
            director.run("prove", **options)
    director.run("remove")
    assert {path.name: path.read_text() for path in director.work.iterdir()} == dict.fromkeys(("precious", OLD, "store.json"), "kept")


def test_what_an_interrupted_run_has_left_is_replaced(director):
    director.run("prove")
    (director.work / "backup").write_text("half")
    assert director.run("prove")["id"] == NEW


def test_checks_do_not_disturb_each_other(director):
    """They take no lock of the cluster."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        proved = list(pool.map(lambda _number: director.run("prove", check_mode=True), range(4)))
    assert [its["id"] for its in proved] == [NEW] * 4 and not director.work.exists()
    with pytest.raises(HostError, match="not encrypted with this passphrase"):
        director.run("prove", check_mode=True, passphrase="another passphrase")
    assert not director.work.exists()
    director.run("prove")
    assert director.run("remove", check_mode=True)["skipped"] and director.work.exists()
    with pytest.raises(HostError, match="expected a directory that only restores use"):
        director.run("prove", check_mode=True, directory=str(director.target / NEW / "work"))


def test_pieces_of_the_snapshot(director):
    director.run("prove")
    content = zlib.decompress(base64.b64decode(director.run("read", offset=8)["content"]))
    assert content == CONTENT[8:]


def test_the_endpoint_is_no_address_of_a_host_that_is_gone():
    """It may lead to the cluster that was backed up."""
    then, now = {**ABOUT, "addresses": {"proxy-0": "10.0.0.9", "master-0": "10.0.0.1"}}, {**ABOUT, "addresses": {"proxy-0": "10.1.0.9"}}
    (found,) = restore.differences(manifest_of(NEW, about=then), {**now, "endpoint": "10.0.0.9"}, VERSIONS)
    assert found.startswith("cluster_api_host: found 10.0.0.9, the address that proxy-0 had at the time of the backup")
    for endpoint in ("10.1.0.9", "api.example.org", "10.9.9.9"):
        assert restore.differences(manifest_of(NEW, about=then), {**now, "endpoint": endpoint}, VERSIONS) == []
    assert restore.differences(manifest_of(NEW, about=then), {**then, "endpoint": "10.0.0.9"}, VERSIONS) == []


def test_what_a_backup_must_have_in_common_with_the_cluster():
    fits = restore.differences(manifest_of(NEW), ABOUT, VERSIONS)
    assert fits == [] == restore.differences(manifest_of(NEW), ABOUT, {}) == restore.differences(manifest_of(NEW, about={}, versions={}), ABOUT, VERSIONS)
    assert "pod_cidr: found 10.200.0.0/16" in restore.differences(manifest_of(NEW), {**ABOUT, "pod_cidr": "10.9.0.0/16"}, VERSIONS)[0]
    assert restore.differences(manifest_of(NEW), ABOUT, {**VERSIONS, "kubernetes": "1.37.2"}) == []
    for other in ("1.35.4", "1.38.0"):
        assert "found a backup of Kubernetes 1.36.3" in restore.differences(manifest_of(NEW), ABOUT, {**VERSIONS, "kubernetes": other})[0]
    assert "storage version 3.6.0" in restore.differences(manifest_of(NEW), ABOUT, {**VERSIONS, "etcd": "3.5.30"})[0]

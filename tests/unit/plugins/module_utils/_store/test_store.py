# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
import os
import stat

import pytest
from _store import local_store
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.encryption import FORMER_COST, decrypt, encrypt, new_salt
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.store import Conflict, keep

NAME = "credentials/a"
PASSPHRASE = "a passphrase"


@pytest.fixture(params=[None, PASSPHRASE])
def store(request, tmp_path):
    return local_store(tmp_path / "store", request.param)


def files(store):
    return [os.path.join(directory, name) for directory, _names, names in os.walk(str(store)) for name in names]


def test_a_written_record_is_read_back(store):
    assert store.get(NAME) is None
    assert store.names("credentials") == []
    store.put(NAME, {"type": "key"}, {"key": "s3cret"}, version=0)
    record = local_store(str(store), store._passphrase).get(NAME)
    assert (record.version, record.public, record.secret()) == (1, {"type": "key"}, {"key": "s3cret"})
    assert store.names("credentials") == ["a"]


def test_only_the_owner_can_read(store):
    os.umask(0)
    store.put(NAME, {}, {"key": "s3cret"}, version=0)
    for path in files(store):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700


def test_a_write_needs_the_current_version(store):
    store.put(NAME, {}, {"key": "1"}, version=0)
    with pytest.raises(Conflict):
        store.put(NAME, {}, {"key": "2"}, version=0)
    assert store.get(NAME).secret() == {"key": "1"}
    for version in range(1, 15):
        store.put(NAME, {}, {"key": str(version + 1)}, version=version)
    assert (store.get(NAME).version, store.get(NAME).secret()) == (15, {"key": "15"})


def test_a_passphrase_encrypts_only_secrets(store):
    store.put(NAME, {"type": "key"}, {"key": "s3cret"}, version=0)
    content = "".join(open(path).read() for path in files(store))
    assert ("s3cret" in content) == (store._passphrase is None)
    assert '"type": "key"' in content


def test_a_wrong_passphrase_is_refused(tmp_path):
    local_store(tmp_path / "s", PASSPHRASE).put(NAME, {"type": "key"}, {"key": "s3cret"}, version=0)
    with pytest.raises(HostError, match="credentials/a.json: not encrypted with this passphrase"):
        local_store(tmp_path / "s", "wrong").get(NAME)
    without = local_store(tmp_path / "s").get(NAME)
    assert without.public == {"type": "key"}
    with pytest.raises(HostError, match="credentials/a.json: found an encrypted value and no passphrase"):
        without.secret()
    with pytest.raises(HostError, match="store.json: not encrypted with this passphrase"):
        local_store(tmp_path / "s", "wrong").put("credentials/b", {}, {"key": "x"}, version=0)
    with pytest.raises(HostError, match="store.json: found an encrypted value and no passphrase"):
        local_store(tmp_path / "s").put("credentials/b", {}, {"key": "x"}, version=0)
    assert local_store(tmp_path / "s", PASSPHRASE).names("credentials") == ["a"]


def test_a_passphrase_for_a_plain_store_is_an_error(tmp_path):
    local_store(tmp_path / "s").put(NAME, {}, {"key": "x"}, version=0)
    with pytest.raises(HostError, match="store.json: found a store without encryption"):
        local_store(tmp_path / "s", "late")


def test_a_concurrent_first_run_with_another_passphrase_is_refused(tmp_path):
    cases = (
        (PASSPHRASE, "another passphrase", "not encrypted with this"),
        (None, "a late passphrase", "without encryption"),
        (PASSPHRASE, None, "no passphrase, expected"),
    )
    for number, (first, second, message) in enumerate(cases):
        stores = [local_store(tmp_path / str(number), passphrase) for passphrase in (first, second)]
        stores[0].put(NAME, {}, {"key": "x"}, version=0)
        with pytest.raises(HostError, match=f"store.json: .*{message}"):
            stores[1].put("credentials/b", {}, {"key": "y"}, version=0)
        assert stores[0].names("credentials") == ["a"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b'{"versions": []}', b"\0" * 100])
def test_a_damaged_file_is_named_and_kept(store, damage):
    store.put(NAME, {}, {"key": "x"}, version=0)
    path = os.path.join(str(store), f"{NAME}.json")
    with open(path, "wb") as stream:
        stream.write(damage)
    for attempt in (lambda: store.get(NAME), lambda: store.put(NAME, {}, {}, version=0), lambda: keep(store, NAME, lambda: ({}, {}))):
        with pytest.raises(HostError, match="credentials/a.json: damaged"):
            attempt()
    with open(path, "rb") as stream:
        assert stream.read() == damage


def test_an_encrypted_value_cannot_be_moved_to_another_name(tmp_path):
    store = local_store(tmp_path / "s", PASSPHRASE)
    store.put(NAME, {}, {"key": "x"}, version=0)
    os.rename(os.path.join(str(store), "credentials/a.json"), os.path.join(str(store), "credentials/b.json"))
    with pytest.raises(HostError, match="credentials/b.json: not encrypted with this passphrase, or damaged"):
        store.get("credentials/b")


def edit(path, change):
    """Change the newest version in a file of a store, as someone who can write to it."""
    document = json.loads(path.read_text())
    change(document["versions"][-1])
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    "change",
    [lambda content: content["public"].update(certificate="planted"), lambda content: content.update(created_at="2020-01-01T00:00:00Z")],
    ids=["public", "created_at"],
)
def test_a_public_part_cannot_be_changed_without_the_passphrase(tmp_path, change):
    local_store(tmp_path / "s", PASSPHRASE).put(NAME, {"certificate": "ours"}, {"key": "x"}, version=0)
    edit(tmp_path / "s" / f"{NAME}.json", change)
    with pytest.raises(HostError, match="credentials/a.json: not encrypted with this passphrase, or damaged"):
        local_store(tmp_path / "s", PASSPHRASE).get(NAME)


@pytest.mark.parametrize("settings", [True, False])
def test_a_plain_secret_in_an_encrypted_store_is_refused(tmp_path, settings):
    local_store(tmp_path / "s", PASSPHRASE).put(NAME, {}, {"key": "x"}, version=0)
    edit(tmp_path / "s" / f"{NAME}.json", lambda content: content.update(secret={"key": "planted"}))
    if not settings:
        (tmp_path / "s/store.json").unlink()
    with pytest.raises(HostError, match="credentials/a.json: found a secret that is not encrypted in an encrypted store"):
        local_store(tmp_path / "s", PASSPHRASE).get(NAME)


def test_a_store_of_format_1_stays_usable_and_of_format_1(tmp_path):
    salt = new_salt()
    files = {
        "store": {"format": 1, "check": encrypt({}, "check", "short", salt, FORMER_COST)},
        NAME: {"created_at": "2026-11-28T00:00:00Z", "public": {"type": "key"}, "secret": encrypt({"key": "x"}, NAME, "short", salt, FORMER_COST)},
    }
    backend = local_store(tmp_path / "s")._backend
    for name, content in files.items():
        backend.write(name, content, version=0)
    store = local_store(tmp_path / "s", "short")
    assert store.get(NAME).secret() == {"key": "x"}
    store.put(NAME, {"type": "key"}, {"key": "y"}, version=1)
    again = local_store(tmp_path / "s", "short")
    assert [record.secret()["key"] for record in again.history(NAME)] == ["x", "y"]


def test_the_format_cannot_be_lowered_without_the_passphrase(tmp_path):
    local_store(tmp_path / "s", PASSPHRASE).put(NAME, {}, {"key": "x"}, version=0)
    edit(tmp_path / "s/store.json", lambda content: content.update(format=1))
    with pytest.raises(HostError, match="not encrypted with this passphrase, or damaged"):
        local_store(tmp_path / "s", PASSPHRASE).get(NAME)
    with pytest.raises(HostError, match="store.json: not encrypted with this passphrase, or damaged"):
        local_store(tmp_path / "s", PASSPHRASE).put("credentials/b", {}, {}, version=0)


def test_an_unknown_format_is_refused(tmp_path):
    local_store(tmp_path / "s", PASSPHRASE).put(NAME, {}, {"key": "x"}, version=0)
    edit(tmp_path / "s/store.json", lambda content: content.update(format=3))
    with pytest.raises(HostError, match="store.json: found format 3, expected 1 or 2"):
        local_store(tmp_path / "s", PASSPHRASE).get(NAME)


def test_a_new_store_needs_a_long_passphrase(tmp_path):
    with pytest.raises(HostError, match="passphrase: found 5 characters, expected 12 or more"):
        local_store(tmp_path / "s", "short").put(NAME, {}, {}, version=0)
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("cost", [2**30, 2**15 + 1, "2", None, -2])
def test_an_invalid_cost_is_damage(cost):
    value = encrypt({}, "name", PASSPHRASE, new_salt(), FORMER_COST)
    value["sealed"]["cost"] = cost
    with pytest.raises(HostError, match="here: damaged"):
        decrypt(value, "name", PASSPHRASE, "here")


def test_records_are_readable_without_the_settings_file(tmp_path):
    store = local_store(tmp_path / "s", PASSPHRASE)
    store.put(NAME, {}, {"key": "x"}, version=0)
    os.unlink(os.path.join(str(store), "store.json"))
    store = local_store(str(store), PASSPHRASE)
    store.put("credentials/b", {}, {"key": "y"}, version=0)
    assert [store.get(name).secret()["key"] for name in (NAME, "credentials/b")] == ["x", "y"]


@pytest.mark.parametrize(
    "name", ["credentials/", "credentials/../x", "credentials/A", "credentials/.a", "a", "credentials/a/b", "credentials/a."]
)
def test_invalid_names_are_refused(store, name):
    with pytest.raises(HostError, match="expected a-z, 0-9 and, inside it"):
        store.get(name)


def _make(directory):
    store = local_store(directory, PASSPHRASE)
    return [keep(store, f"credentials/{index}", lambda: ({}, {"key": os.urandom(8).hex()})).secret()["key"] for index in range(10)]


def test_concurrent_runs_get_the_same_record(tmp_path):
    with concurrent.futures.ProcessPoolExecutor(6, mp_context=multiprocessing.get_context("spawn")) as pool:
        results = list(pool.map(_make, [str(tmp_path / "s")] * 6))
    assert len({tuple(result) for result in results}) == 1
    assert local_store(tmp_path / "s", PASSPHRASE).get("credentials/0").version == 1

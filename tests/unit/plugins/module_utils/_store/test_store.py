# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import stat

import pytest
from _store import local_store
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.store import Conflict, keep

NAME = "credentials/a"


@pytest.fixture(params=[None, "a passphrase"])
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
    local_store(tmp_path / "s", "right").put(NAME, {"type": "key"}, {"key": "s3cret"}, version=0)
    for passphrase, message in (
        ("wrong", "credentials/a.json: not encrypted with this passphrase"),
        (None, "credentials/a.json: found an encrypted value and no passphrase"),
    ):
        store = local_store(tmp_path / "s", passphrase)
        assert store.get(NAME).public == {"type": "key"}
        with pytest.raises(HostError, match=message):
            store.get(NAME).secret()
    with pytest.raises(HostError, match="store.json: not encrypted with this passphrase"):
        local_store(tmp_path / "s", "wrong").put("credentials/b", {}, {"key": "x"}, version=0)
    with pytest.raises(HostError, match="store.json: found an encrypted value and no passphrase"):
        local_store(tmp_path / "s").put("credentials/b", {}, {"key": "x"}, version=0)
    assert local_store(tmp_path / "s", "right").names("credentials") == ["a"]


def test_a_passphrase_for_a_plain_store_is_an_error(tmp_path):
    local_store(tmp_path / "s").put(NAME, {}, {"key": "x"}, version=0)
    with pytest.raises(HostError, match="store.json: found a store without encryption"):
        local_store(tmp_path / "s", "late")


def test_a_concurrent_first_run_with_another_passphrase_is_refused(tmp_path):
    cases = (("a", "b", "not encrypted with this"), (None, "b", "without encryption"), ("a", None, "no passphrase, expected"))
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
    store = local_store(tmp_path / "s", "p")
    store.put(NAME, {}, {"key": "x"}, version=0)
    os.rename(os.path.join(str(store), "credentials/a.json"), os.path.join(str(store), "credentials/b.json"))
    with pytest.raises(HostError, match="credentials/b.json"):
        store.get("credentials/b").secret()


def test_records_are_readable_without_the_settings_file(tmp_path):
    store = local_store(tmp_path / "s", "p")
    store.put(NAME, {}, {"key": "x"}, version=0)
    os.unlink(os.path.join(str(store), "store.json"))
    store = local_store(str(store), "p")
    store.put("credentials/b", {}, {"key": "y"}, version=0)
    assert [store.get(name).secret()["key"] for name in (NAME, "credentials/b")] == ["x", "y"]


@pytest.mark.parametrize(
    "name", ["credentials/", "credentials/../x", "credentials/A", "credentials/.a", "a", "credentials/a/b", "credentials/a."]
)
def test_invalid_names_are_refused(store, name):
    with pytest.raises(HostError, match="expected a-z, 0-9 and, inside it"):
        store.get(name)


def _make(directory):
    store = local_store(directory, "p")
    return [keep(store, f"credentials/{index}", lambda: ({}, {"key": os.urandom(8).hex()})).secret()["key"] for index in range(10)]


def test_concurrent_runs_get_the_same_record(tmp_path):
    with concurrent.futures.ProcessPoolExecutor(6, mp_context=multiprocessing.get_context("spawn")) as pool:
        results = list(pool.map(_make, [str(tmp_path / "s")] * 6))
    assert len({tuple(result) for result in results}) == 1
    assert local_store(tmp_path / "s", "p").get("credentials/0").version == 1

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file of a backup: what is written is read, and nothing that was changed, moved, cut off or made by others is."""

from __future__ import annotations

import io
import json
import os
import stat
import tracemalloc

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup import artifact, sealed
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store import encryption

PASSPHRASE = "a long passphrase"
HEADER = {"cluster": "prod", "id": "prod-20261129T221500Z.cfcr", "created_at": "2026-11-29T22:15:00Z"}
STORE = {"credentials/etcd-root": [{"created_at": "2026-11-01T00:00:00Z", "public": {}, "secret": {"password": "hidden"}}]}
TAG = 16


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    monkeypatch.setattr(sealed, "BACKUP_COST", encryption.Cost(64, 1))


def write(content: bytes, passphrase=PASSPHRASE, parts=1 << 20) -> bytes:
    target = io.BytesIO()
    writer = sealed.SealedWriter(target, passphrase, HEADER)
    for start in range(0, len(content), parts):
        writer.write(content[start : start + parts])
    writer.close()
    return target.getvalue()


def read(data: bytes, passphrase=PASSPHRASE, size=-1) -> bytes:
    reader, found = sealed.SealedReader(io.BytesIO(data), passphrase, "the file"), b""
    while part := reader.read(size):
        found += part
    return found


def pieces(data: bytes) -> tuple[bytes, list[bytes]]:
    """Return the two lines of a stream, and its pieces."""
    begin = data.index(b"\n", len(sealed.MAGIC)) + 1
    step = sealed.PIECE + TAG
    return data[:begin], [data[at : at + step] for at in range(begin, len(data), step)]


@pytest.mark.parametrize("size", [0, 1, sealed.PIECE - 1, sealed.PIECE, sealed.PIECE + 1, 3 * sealed.PIECE, 3 * sealed.PIECE + 7])
@pytest.mark.parametrize("step", [4096, -1])
def test_a_stream_is_read_as_it_was_written(size, step):
    content = os.urandom(size)
    data = write(content, parts=300_001)
    assert read(data, size=step) == content
    assert len(pieces(data)[1]) == max(1, -(-size // sealed.PIECE))


def test_the_same_text_is_never_encrypted_the_same_way():
    assert pieces(write(b"x" * 100))[1] != pieces(write(b"x" * 100))[1]
    assert b"hidden" not in write(b"hidden")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda head, its: head + b"".join(its[:-1]), "damaged or cut off after 2097152 bytes"),
        (lambda head, its: head + b"".join(its)[:-1], "damaged or cut off after 3145728 bytes"),
        (lambda head, its: head + b"".join(its) + b"x", "damaged or cut off after 3145728 bytes"),
        (lambda head, its: head + b"".join([its[0], its[2], its[1], its[3]]), "damaged or cut off after 1048576 bytes"),
        (lambda head, its: head + b"".join([its[0], *its]), "damaged or cut off after 1048576 bytes"),
        (lambda head, its: head + its[3], "not encrypted with this passphrase, or is damaged or cut off"),
        (lambda head, its: head, "not encrypted with this passphrase, or is damaged or cut off"),
        (lambda head, its: head[:40], "found a damaged header"),
        (lambda head, its: head.replace(b"prod", b"test") + b"".join(its), "not encrypted with this passphrase"),
        (lambda head, its: head.replace(b'"cost": 64', b'"cost": 99999999') + b"".join(its), "found a damaged header"),
        (lambda head, its: head.replace(b'"cost": 64', b'"cost": "2"') + b"".join(its), "found a damaged header"),
        (lambda head, its: head.replace(b'"nonce": "', b'"nonce": "AAAA') + b"".join(its), "found a damaged header"),
        (lambda head, its: b"PK" + head + b"".join(its), "found no backup of a cluster"),
        (lambda head, its: b"", "found no backup of a cluster"),
    ],
)
def test_a_damaged_stream_is_found(damage, message):
    data = write(os.urandom(3 * sealed.PIECE + 7))
    with pytest.raises(HostError, match=message) as error:
        read(damage(*pieces(data)))
    assert str(error.value).startswith("the file: ")


def test_every_bit_counts():
    data = write(b"some content")
    for at in range(len(data)):
        with pytest.raises(HostError):
            read(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


def test_passphrases():
    with pytest.raises(HostError, match="12 or more"):
        write(b"x", passphrase="short")
    with pytest.raises(HostError, match="not encrypted with this passphrase") as error:
        read(write(b"x"), passphrase="another passphrase")
    assert "another" not in str(error.value)


@pytest.fixture
def made(tmp_path):
    """Return the paths of a backup and of the snapshot in it."""
    snapshot = tmp_path / "snapshot"
    snapshot.write_bytes(os.urandom(2_500_000))
    path = tmp_path / HEADER["id"]
    artifact.write_artifact(str(path), PASSPHRASE, {**HEADER, "objects": {"secrets": 3}}, STORE, str(snapshot))
    return path, snapshot


def test_a_backup_holds_everything(made, tmp_path):
    path, snapshot = made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"hidden" not in path.read_bytes()
    manifest = artifact.read_artifact(str(path), PASSPHRASE, "prod")
    assert manifest["objects"] == {"secrets": 3} and manifest["format"] == 1
    assert manifest["files"]["etcd.snapshot"]["size"] == 2_500_000
    directory = tmp_path / "out"
    directory.mkdir()
    assert artifact.read_artifact(str(path), PASSPHRASE, directory=str(directory)) == manifest
    assert (directory / "etcd.snapshot").read_bytes() == snapshot.read_bytes()
    assert json.loads((directory / "store.json").read_text()) == STORE
    assert {stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()} == {0o600}


def test_a_backup_of_another_cluster_is_refused(made):
    with pytest.raises(HostError, match="found a backup of cluster prod, expected one of staging; nothing was changed"):
        artifact.read_artifact(str(made[0]), PASSPHRASE, "staging")


def test_a_backup_never_replaces_a_file(made):
    before = made[0].read_bytes()
    with pytest.raises(HostError, match="cannot be written: File exists"):
        artifact.write_artifact(str(made[0]), PASSPHRASE, HEADER, STORE, str(made[1]))
    assert made[0].read_bytes() == before


@pytest.mark.parametrize("at", [0.1, 0.5, 0.99])
def test_a_damaged_or_truncated_backup_is_refused(made, at):
    path, _snapshot = made
    content = path.read_bytes()
    cut = int(len(content) * at)
    for damaged in (content[:cut], content[:cut] + bytes([content[cut] ^ 8]) + content[cut + 1 :]):
        path.write_bytes(damaged)
        with pytest.raises(HostError, match="damaged|no backup"):
            artifact.read_artifact(str(path), PASSPHRASE, "prod")


def test_a_snapshot_that_changes_meanwhile_is_found(made, tmp_path, monkeypatch):
    """The hash is taken before the archive is written."""
    path = tmp_path / "other"
    monkeypatch.setattr(artifact, "digest_of_file", lambda path: (os.path.getsize(path), "0" * 64))
    artifact.write_artifact(str(path), PASSPHRASE, HEADER, STORE, str(made[1]))
    with pytest.raises(HostError, match="etcd.snapshot: another SHA-256 than in the manifest"):
        artifact.read_artifact(str(path), PASSPHRASE)


def test_memory_is_bounded(tmp_path):
    snapshot = tmp_path / "snapshot"
    with open(snapshot, "wb") as stream:
        for _block in range(24):
            stream.write(os.urandom(1 << 20))
    tracemalloc.start()
    try:
        artifact.write_artifact(str(tmp_path / "backup"), PASSPHRASE, HEADER, STORE, str(snapshot))
        artifact.read_artifact(str(tmp_path / "backup"), PASSPHRASE)
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()

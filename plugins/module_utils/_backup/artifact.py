# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file of a backup: a compressed tar archive in an encrypted stream. Its first member is the manifest, with a SHA-256 of each other member."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import tarfile
import typing as t
import zlib

from .._artifacts.archive import add_text, entry_of, open_tar
from .._errors import HostError
from .sealed import SealedReader, SealedWriter

__all__ = ("MANIFEST", "SNAPSHOT", "STORE", "copy", "digest_of_file", "read_artifact", "write_artifact")

MANIFEST, STORE, SNAPSHOT = "manifest.json", "store.json", "etcd.snapshot"

_FORMAT = 1
_BLOCK = 1 << 20
_LEVEL = 6
_MOST_MANIFEST = 16 << 20

Manifest = t.Dict[str, t.Any]


def copy(source: t.BinaryIO, target: t.BinaryIO | None, most: int | None = None) -> tuple[int, str]:
    """Copy a stream, and return its size and SHA-256. Without a target, only read it. Raise ValueError if it has more bytes than allowed."""
    digest, size = hashlib.sha256(), 0
    while block := source.read(_BLOCK):
        size += len(block)
        if most is not None and size > most:
            raise ValueError(f"more than {most} bytes")
        digest.update(block)
        if target:
            target.write(block)
    return size, digest.hexdigest()


def digest_of_file(path: str) -> tuple[int, str]:
    """Return the size and the SHA-256 of a file."""
    with open(path, "rb") as stream:
        return copy(stream, None)


def write_artifact(path: str, passphrase: str, manifest: Manifest, store: t.Any, snapshot: str) -> Manifest:
    """Write a new file of mode 0600, and return the manifest with the hashes."""
    records = json.dumps(store, sort_keys=True).encode()
    size, digest = digest_of_file(snapshot)
    files = {STORE: {"size": len(records), "sha256": hashlib.sha256(records).hexdigest()}, SNAPSHOT: {"size": size, "sha256": digest}}
    complete = {**manifest, "format": _FORMAT, "files": files}
    header = {"cluster": manifest["cluster"], "id": manifest["id"], "created_at": manifest["created_at"]}
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise HostError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as stream:
            sealed = SealedWriter(stream, passphrase, header)
            with gzip.GzipFile(fileobj=t.cast(t.BinaryIO, sealed), mode="wb", compresslevel=_LEVEL, mtime=0) as packed:
                with open_tar(packed) as archive:
                    for name, content in ((MANIFEST, json.dumps(complete, indent=2, sort_keys=True).encode()), (STORE, records)):
                        add_text(archive, name, content)
                    with open(snapshot, "rb") as source:
                        archive.addfile(entry_of(SNAPSHOT, size=size), source)
            sealed.close()
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise HostError(f"{path}: cannot be written: {error.strerror or error}") from error
    return complete


def read_artifact(path: str, passphrase: str, cluster: str | None = None, directory: str | None = None, where: str | None = None) -> Manifest:
    """Verify a whole file, and return its manifest. With a directory, write the members to it.

    A file of another cluster is refused before its content is read. Files in the directory count only if this returns.
    """
    shown = where or path
    try:
        with open(path, "rb") as stream:
            sealed = SealedReader(stream, passphrase, shown)
            found = sealed.header.get("cluster")
            if cluster is not None and found != cluster:
                raise HostError(f"{shown}: found a backup of cluster {found}, expected one of {cluster}; nothing was changed")
            packed = gzip.GzipFile(fileobj=t.cast(t.BinaryIO, sealed), mode="rb")
            manifest = _read_members(packed, shown, directory)
            # The end of the stream proves that nothing was cut off.
            while packed.read(_BLOCK) or sealed.read(_BLOCK):
                pass
    except (tarfile.TarError, zlib.error, EOFError, ValueError, KeyError, TypeError) as error:
        raise HostError(f"{shown}: found a backup with a content that is damaged ({error}); take another copy or backup") from error
    except OSError as error:
        raise HostError(f"{shown}: cannot be read: {error.strerror or error}") from error
    if (manifest["cluster"], manifest["id"]) != (sealed.header.get("cluster"), sealed.header.get("id")):
        raise HostError(f"{shown}: found a manifest of {manifest['id']}, expected the one of {sealed.header.get('id')}")
    return manifest


def _read_members(packed: t.BinaryIO, where: str, directory: str | None) -> Manifest:
    with tarfile.open(fileobj=packed, mode="r|") as archive:
        first = archive.next()
        if first is None or first.name != MANIFEST or first.size > _MOST_MANIFEST:
            raise ValueError("no manifest")
        manifest = json.load(t.cast(t.BinaryIO, archive.extractfile(first)))
        if manifest["format"] != _FORMAT:
            raise HostError(f"{where}: found format {manifest['format']}, expected {_FORMAT}; use the version of the collection that made it")
        expected = {name: (its["size"], its["sha256"]) for name, its in manifest["files"].items()}
        found: dict[str, tuple[int, str]] = {}
        while member := archive.next():
            if member.name not in expected or member.name in found or not member.isreg():
                raise ValueError(f"unexpected member {member.name}")
            source = t.cast(t.BinaryIO, archive.extractfile(member))
            with _target(directory, member.name) as target:
                found[member.name] = copy(source, target)
    wrong = sorted(name for name in expected if found.get(name) != expected[name])
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: another SHA-256 than in the manifest")
    return manifest


@contextlib.contextmanager
def _target(directory: str | None, name: str) -> t.Iterator[t.BinaryIO | None]:
    if directory is None or name not in (STORE, SNAPSHOT):
        yield None
        return
    with os.fdopen(os.open(os.path.join(directory, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as stream:
        yield stream

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Merge the log archives of hosts into one. A host may be compromised, so only names and contents of plain files are used.

tarfile is not used to read these archives. It follows extended headers, which change the name and size of a member or make it sparse. It reads
them into memory whatever their size, and had endless loops in them. `host_logs` packs plain ustar, which has no such headers.
"""

from __future__ import annotations

import base64
import dataclasses
import gzip
import io
import pathlib
import tarfile
import typing as t
import zlib

__all__ = ("MOST_BYTES", "MOST_FILES", "MOST_PACKED_BYTES", "Merged", "merge")

# Limits of one host. host_logs stays well below them.
MOST_PACKED_BYTES = 32 * 2**20
MOST_BYTES = 200_000_000
MOST_FILES = 10_000

_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)
_LEFT_OUT = (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE)


@dataclasses.dataclass(frozen=True)
class Merged:
    """An archive with a directory for each host."""

    content: bytes
    files: int
    refused: dict[str, str]  # the reason, by host


class _RefusedError(Exception):
    """An archive was not made by host_logs."""


def merge(archives: t.Mapping[str, t.Any], now: float) -> Merged:
    """Merge archives in base64, host by host. The result contains no file of a refused archive."""
    merged, count, refused = io.BytesIO(), 0, {}
    with tarfile.open(fileobj=merged, mode="w:gz", format=tarfile.GNU_FORMAT) as target:
        for host, archive in archives.items():
            try:
                packed = _decoded(archive)
                # Read the whole archive before any file is added.
                count += _checked(packed)
            except _RefusedError as error:
                refused[host] = str(error)
                continue
            for name, size, stream in _files(packed):
                member = tarfile.TarInfo(f"{host}/{name}")
                member.size, member.mode, member.mtime = size, 0o600, int(now)
                target.addfile(member, stream)
    return Merged(merged.getvalue(), count, refused)


def _decoded(archive: t.Any) -> bytes:
    if not isinstance(archive, str):
        raise _RefusedError("found no text, expected base64")
    try:
        packed = base64.b64decode(archive, validate=True)
    except ValueError as error:
        raise _RefusedError("found a text that is not base64") from error
    if len(packed) > MOST_PACKED_BYTES:
        raise _RefusedError(f"found {len(packed)} bytes, expected at most {MOST_PACKED_BYTES}")
    return packed


def _checked(packed: bytes) -> int:
    """Return the number of files. Refuse an archive that cannot be read completely, or in which one file hides another."""
    names: set[str] = set()
    try:
        for name, _size, _stream in _files(packed):
            if name in names:
                raise _RefusedError(f"found two files {name}")
            names.add(name)
    except tarfile.HeaderError as error:
        raise _RefusedError(f"found a broken tar header ({error})") from error
    except (OSError, EOFError, zlib.error) as error:
        raise _RefusedError("found a damaged or truncated gzip file, or none") from error
    for name in sorted(names.intersection(str(parent) for name in names for parent in pathlib.PurePosixPath(name).parents)):
        raise _RefusedError(f"found {name} both as a file and as a directory")
    return len(names)


def _files(packed: bytes) -> t.Iterator[tuple[str, int, t.IO[bytes]]]:
    """Yield name and size of each plain file, and the stream in which its content follows.

    The archive is unpacked only as far as it is read, so the limits hold whatever a header claims.
    """
    stream = gzip.GzipFile(fileobj=io.BytesIO(packed))
    headers = 0
    while (block := stream.read(tarfile.BLOCKSIZE)).strip(b"\0"):
        headers += 1
        if headers > MOST_FILES:
            raise _RefusedError(f"found more than {MOST_FILES} files")
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if header.type in _LEFT_OUT:
            continue
        if header.type not in _PLAIN:
            raise _RefusedError(f"found a tar header of type {header.type!r}, expected plain files without extended headers")
        end = stream.tell() + -(-header.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        if header.size < 0 or end > MOST_BYTES:
            raise _RefusedError(f"found more than {MOST_BYTES} bytes unpacked")
        yield _cleaned(header.name), header.size, stream
        stream.seek(end)
    if len(block) < tarfile.BLOCKSIZE:
        raise _RefusedError("found a truncated tar file")
    # The checksum is at the end.
    while stream.read(tarfile.RECORDSIZE):
        if stream.tell() > MOST_BYTES:
            raise _RefusedError(f"found more than {MOST_BYTES} bytes unpacked")


def _cleaned(name: str) -> str:
    """Return a relative path without .. and without characters that are special to a terminal or another system.

    A ustar header limits a name to 256 bytes, so none is too long.
    """
    printable = "".join(character if character.isprintable() and character != "\\" else "_" for character in name)
    parts = [part for part in printable.split("/") if part not in ("", ".", "..")]
    if not parts:
        raise _RefusedError("found a file without a name")
    return "/".join(parts)

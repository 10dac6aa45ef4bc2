# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directory of the director in which a backup is made. Only its owner can read it, and nothing is left in it afterwards."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import stat
import time
import zlib

from .._errors import HostError
from .._files import make_directory
from .artifact import SNAPSHOT, digest_of_file
from .retention import NAME

__all__ = ("PIECE", "Work", "check_free", "read_piece")

PIECE = 16 << 20  # bytes of a snapshot in one argument or answer

_OLD_SECONDS = 24 * 3600  # after which a directory was left by a run that ended
_MOST_PIECE = 64 << 20
_COMPRESSION = 1
_RESERVE = 64 << 20  # bytes of the disk that stay free


def check_free(directory: str, needed: int, what: str) -> None:
    """Refuse a directory, or one that does not exist yet, whose disk has no space for this many bytes."""
    existing = directory
    while not os.path.isdir(existing):
        existing = os.path.dirname(existing)
    free = shutil.disk_usage(existing).free
    if free < needed + _RESERVE:
        raise HostError(f"{directory}: found {free >> 20} MiB of free space, expected {(needed + _RESERVE) >> 20} MiB for {what}")


def read_piece(path: str, offset: int) -> str:
    """Return a piece of a snapshot as append() takes it."""
    try:
        with open(path, "rb") as stream:
            stream.seek(offset)
            return base64.b64encode(zlib.compress(stream.read(PIECE), _COMPRESSION)).decode()
    except OSError as error:
        raise HostError(f"{path}: cannot be read: {error.strerror}") from error


class Work:
    """The directory of one backup."""

    def __init__(self, directory: str, name: str) -> None:
        """Take the parent directory and the name of the backup."""
        if not NAME.fullmatch(name):
            raise HostError(f"id: found {name!r}, expected the name of a backup")
        self._parent, self.path = directory, os.path.join(directory, name)
        self.snapshot = os.path.join(self.path, SNAPSHOT)

    def make(self) -> None:
        """Make the directory, and remove those of runs that ended long ago."""
        try:
            make_directory(self._parent, 0o700)
            found = os.lstat(self._parent)
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
                raise HostError(
                    f"{self._parent}: found mode {stat.S_IMODE(found.st_mode):04o} and owner {found.st_uid}, expected a directory of mode 0700 that belongs to "
                    f"user {os.geteuid()}, since it holds secrets while a backup is made"
                )
            for name in os.listdir(self._parent):
                path = os.path.join(self._parent, name)
                if NAME.fullmatch(name) and os.lstat(path).st_mtime < time.time() - _OLD_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)
            os.mkdir(self.path, 0o700)
        except FileExistsError as error:
            raise HostError(f"{self.path}: found a backup of the same second; another run is making it") from error
        except OSError as error:
            raise HostError(f"{self.path}: cannot be created: {error.strerror}") from error

    def append(self, offset: int, content: str) -> int:
        """Add a piece to the snapshot, which has this size, and return its new size."""
        try:
            unpacked = zlib.decompressobj()
            piece = unpacked.decompress(base64.b64decode(content, validate=True), _MOST_PIECE)
            if unpacked.unconsumed_tail or not unpacked.eof or not piece:
                raise ValueError("too large, cut off or empty")
        except (ValueError, zlib.error) as error:
            raise HostError(f"{self.snapshot}: found a damaged piece at byte {offset} ({error})") from error
        try:
            with open(os.open(self.snapshot, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600), "ab") as stream:
                size = os.fstat(stream.fileno()).st_size
                if size != offset:
                    raise HostError(f"{self.snapshot}: found {size} bytes, expected {offset}")
                check_free(self.path, len(piece), "the next piece of the snapshot")
                stream.write(piece)
        except OSError as error:
            raise HostError(f"{self.snapshot}: cannot be written: {error.strerror}") from error
        return size + len(piece)

    def check_snapshot(self, size: int, sha256: str) -> None:
        """Refuse a snapshot that is not the one that the host verified."""
        try:
            found = digest_of_file(self.snapshot)
        except OSError as error:
            raise HostError(f"{self.snapshot}: cannot be read: {error.strerror}") from error
        if found != (size, sha256):
            raise HostError(f"{self.snapshot}: found {found[0]} bytes with SHA-256 {found[1]}, expected {size} with {sha256}, as the host has verified")

    def remove(self) -> None:
        """Remove the directory."""
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.path)

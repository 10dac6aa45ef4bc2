# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A directory of the director as a target, such as one that a file server is mounted at."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import typing as t

from .._errors import HostError
from .retention import PARTIAL

__all__ = ("DirectoryTarget",)


class DirectoryTarget:
    """An existing directory. Files have mode 0600."""

    def __init__(self, options: t.Mapping[str, t.Any]) -> None:
        """Take the options of the target."""
        self._path = os.path.expanduser(options["path"])
        self.name = f"directory {self._path}"

    def sizes(self) -> dict[str, int]:
        """Return the sizes of the files."""
        try:
            if not os.access(self._path, os.W_OK | os.X_OK) and os.path.isdir(self._path):
                raise HostError(f"{self.name}: found a directory that cannot be written, expected one that user {os.geteuid()} may write to")
            with os.scandir(self._path) as entries:
                return {entry.name: entry.stat(follow_symlinks=False).st_size for entry in entries if entry.is_file(follow_symlinks=False)}
        except FileNotFoundError as error:
            raise HostError(f"{self.name}: found no such directory, expected it to exist; create it, or mount the file system that it is on") from error
        except OSError as error:
            raise HostError(f"{self.name}: cannot be read: {error.strerror}") from error

    def put(self, path: str, name: str) -> None:
        """Copy a file, and give it its name when it is on the disk. Drop it from the cache, so that it is read back from the disk."""
        target = os.path.join(self._path, name)
        partial = f"{target}{PARTIAL}"
        try:
            with open(path, "rb") as source, open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as stream:
                os.fchmod(stream.fileno(), 0o600)
                shutil.copyfileobj(source, stream, 1 << 20)
                stream.flush()
                os.fsync(stream.fileno())
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            os.rename(partial, target)
            self._sync()
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(partial)
            raise HostError(f"{self.name}: {name} cannot be written: {error.strerror}") from error

    def get(self, name: str, path: str) -> None:
        """Copy a file."""
        try:
            with open(os.path.join(self._path, name), "rb") as source, open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                shutil.copyfileobj(source, stream, 1 << 20)
        except OSError as error:
            raise HostError(f"{self.name}: {name} cannot be read: {error.strerror}") from error

    def remove(self, name: str) -> None:
        """Remove a file."""
        try:
            os.unlink(os.path.join(self._path, name))
            self._sync()
        except OSError as error:
            raise HostError(f"{self.name}: {name} cannot be removed: {error.strerror}") from error

    def _sync(self) -> None:
        descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write files so that a reader sees either the old or the new content, never a part."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import tempfile

__all__ = ("make_directory", "read", "write_atomically")


def read(path: str) -> str | None:
    """Return the content of a file, whatever bytes it has, or None."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
            return stream.read()
    except OSError:
        return None


def make_directory(path: str, mode: int = 0o777) -> None:
    """Create a directory and its missing parents, and sync their entries, so that a crash does not lose the files in it."""
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        make_directory(parent)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, mode)
        _sync_directory(parent)


def write_atomically(path: str, content: bytes, mode: int, owner: str = "root", group: str | None = None) -> None:
    """Write the content to a temporary file in the same directory, sync it, rename it, and sync the directory.

    The group defaults to the owner's primary group. A path that is a mount point (a container's /etc/resolv.conf) cannot be replaced by a
    rename and is written in place.
    """
    account = pwd.getpwnam(owner)
    gid = grp.getgrnam(group).gr_gid if group else account.pw_gid
    if os.path.ismount(path):
        with open(path, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        return
    descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            os.fchown(descriptor, account.pw_uid, gid)
            os.fchmod(descriptor, mode)
            stream.flush()
            os.fsync(descriptor)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_directory(os.path.dirname(path))


def _sync_directory(path: str) -> None:
    """Sync the entries of a directory, so that they survive a loss of power."""
    descriptor = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Targets of backups: what each of them can do, and what is the same for all of them."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import typing as t

from .._errors import HostError
from .._timestamp import to_timestamp
from .artifact import digest_of_file
from .retention import MARK, Entry, later_than, left_behind, moment_of, ours, to_remove

__all__ = ("Locked", "Target", "backups", "check_clock", "retain", "send")

_MOST_MARK = 64 << 10
_SKEW = datetime.timedelta(minutes=5)  # between directors


class Locked(Exception):
    """The target does not allow to remove a file yet."""


class Target(t.Protocol):
    """A place for backups. Errors of it are HostErrors that begin with its name."""

    name: str  # for messages and records; without secrets

    def sizes(self) -> dict[str, int]:
        """Return the sizes of all files, by name. It is the first request to the target, so it fails if the target cannot be used."""

    def put(self, path: str, name: str) -> None:
        """Write a file. One of this name must not be there."""

    def get(self, name: str, path: str) -> None:
        """Read a file into a new one of mode 0600."""

    def remove(self, name: str) -> None:
        """Remove a file, or raise Locked."""


def check_clock(target: Target, cluster: str) -> None:
    """Refuse a target with a backup from later than now, which would count as the newest one until then. Times in names are those of directors."""
    now = datetime.datetime.now(datetime.timezone.utc)
    later = later_than(target.sizes(), cluster, to_timestamp(now + _SKEW))
    if later:
        raise HostError(
            f"{target.name}: found {later[-1]}, expected no backup from later than now, {to_timestamp(now)} by the director's clock: it would count as the "
            f"newest one. Set the clock right, or move this file and {later[-1]}{MARK} away"
        )


def backups(target: Target, cluster: str, work: str) -> list[Entry]:
    """Return the backups of a cluster at a target, the newest first."""
    sizes = target.sizes()
    marked = [name for name in sizes if moment_of(name, cluster) and sizes.get(f"{name}{MARK}", _MOST_MARK) < _MOST_MARK]
    return ours(sizes, {name: _mark(target, name, work) for name in marked}, cluster)


def send(target: Target, path: str, name: str, mark: t.Mapping[str, t.Any], work: str) -> None:
    """Send a file, read it back, compare it, and only then mark it as verified."""
    expected = digest_of_file(path)
    target.put(path, name)
    back = os.path.join(work, "read-back")
    try:
        target.get(name, back)
        found = digest_of_file(back)
    finally:
        _unlink(back)
    if found != expected:
        raise HostError(f"{target.name}: found {found[0]} bytes with SHA-256 {found[1]} when {name} was read back, expected {expected[0]} with {expected[1]}")
    local = os.path.join(work, "mark")
    try:
        with os.fdopen(os.open(local, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            json.dump({**mark, "size": expected[0], "sha256": expected[1], "verified": True}, stream, indent=2, sort_keys=True)
            stream.write("\n")
        target.put(local, f"{name}{MARK}")
    finally:
        _unlink(local)


def retain(target: Target, keep: t.Mapping[str, int], cluster: str, work: str, made: str) -> tuple[list[str], list[str]]:
    """Remove the backups that are no longer kept, and return their names, and the names of those that the target does not allow to remove yet.

    The one that was made now is always kept. What killed runs have left is removed as well, unless another run may still be writing it.
    """
    entries = backups(target, cluster, work)
    there, removed, locked = target.sizes(), [], []
    yesterday = to_timestamp(datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1))
    for name in to_remove(entries, keep, cluster, made, yesterday):
        try:
            target.remove(name)
            if f"{name}{MARK}" in there:
                target.remove(f"{name}{MARK}")
        except Locked:
            locked.append(name)
            continue
        removed.append(name)
    for name in left_behind(there, cluster, yesterday):
        with contextlib.suppress(Locked):
            target.remove(name)
    return removed, locked


def _mark(target: Target, name: str, work: str) -> dict[str, t.Any]:
    """Return the content of a mark; a damaged one is none."""
    local = os.path.join(work, "mark")
    try:
        target.get(f"{name}{MARK}", local)
        with open(local, encoding="utf-8") as stream:
            content = json.load(stream)
    except ValueError:
        return {}
    finally:
        _unlink(local)
    return content if isinstance(content, dict) else {}


def _unlink(path: str) -> None:
    if os.path.lexists(path):
        os.unlink(path)

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a restore: how far it is, so that the same command continues one that was interrupted.

importing: the store was lost, and the records of the backup are not all in it yet. begun: the store is complete, etcd is not restored. restored: all
members of etcd have the data of the backup. finished: everything else as well.
"""

from __future__ import annotations

import datetime
import os
import typing as t

from .._errors import HostError
from .._store.store import Backend, revise
from .._timestamp import to_timestamp

__all__ = ("BUMP", "PHASES", "begin", "bump_for", "check", "note", "read", "summary", "unfinished")

PHASES = ("importing", "begun", "restored", "finished")
BUMP = 1_000_000_000

_NAME = "restore/progress"
_FIELDS = {"id": str, "phase": str, "store": str, "token": str, "bump": int, "revision": int, "at": str}

Progress = t.Dict[str, t.Any]


def read(backend: Backend) -> Progress:
    """Return the record, or nothing if nothing was ever restored."""
    document = backend.read(_NAME)
    return _parse(document.content, backend.where(_NAME)) if document else {}


def unfinished(progress: Progress) -> bool:
    """Return whether a restore has begun and not finished."""
    return bool(progress) and progress["phase"] != "finished"


def summary(backend: Backend) -> Progress:
    """Return how far a restore is that has not finished, for people; else nothing."""
    progress = read(backend)
    return {name: progress[name] for name in ("id", "phase", "at")} if unfinished(progress) else {}


def check(progress: Progress, name: str) -> None:
    """Refuse another backup while the store has only a part of the records of the first one."""
    if progress and progress["phase"] == "importing" and progress["id"] != name:
        raise HostError(f"restore: found {name}, expected {progress['id']}: its import into the store was interrupted, and is finished by the same backup only")


def bump_for(revision: int, former: int, living: int = 0) -> int:
    """Return by how much revisions must become higher, given that of the backup, that with which the last restore began, and that of etcd now.

    Clients have seen less than that many revisions since the last restore, and less than half as many will follow until etcd stops. So the restored ones
    are higher than all that they know. The last restore is unknown if the store was lost since, and etcd may not answer; then they are 0.
    """
    missing = max(former + BUMP, living + BUMP // 2) - revision
    return BUMP * max(1, -(-missing // BUMP))


def begin(backend: Backend, name: str, revision: int, lost: bool, living: int = 0) -> Progress:
    """Return the record of a restore of this backup, a new one unless it goes on."""

    def change(content: Progress | None) -> tuple[Progress, Progress | None]:
        before = {} if content is None else _parse(content, backend.where(_NAME))
        if unfinished(before) and before["id"] == name:
            return before, None
        check(before, name)
        bump = bump_for(revision, before.get("revision", 0), living)
        after = {
            "id": name,
            "phase": "importing" if lost else "begun",
            "store": "imported" if lost else "kept",
            "token": os.urandom(16).hex(),
            "bump": bump,
            "revision": revision + bump,
            "at": _now(),
        }
        return after, after

    return revise(backend, _NAME, change, check_mode=False)


def note(backend: Backend, phase: str) -> Progress:
    """Record that a restore has reached a phase, and return the record."""

    def change(content: Progress | None) -> tuple[Progress, Progress | None]:
        before = {} if content is None else _parse(content, backend.where(_NAME))
        if not unfinished(before):
            raise HostError(f"{backend.where(_NAME)}: found no restore that has begun, expected one")
        after = {**before, "phase": phase, "at": _now()}
        return after, after

    return revise(backend, _NAME, change, check_mode=False)


def _now() -> str:
    return to_timestamp(datetime.datetime.now(datetime.timezone.utc))


def _parse(content: t.Mapping[str, t.Any], where: str) -> Progress:
    if not all(isinstance(content.get(field), kind) for field, kind in _FIELDS.items()) or content["phase"] not in PHASES:
        raise HostError(f"{where}: found a damaged record of a restore; remove it after you have examined the cluster, and run it again")
    return {field: content[field] for field in _FIELDS}

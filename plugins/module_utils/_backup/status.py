# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of backups: a document in the store, from which health and instances know the newest one without a request to any target."""

from __future__ import annotations

import datetime
import typing as t

from .._errors import HostError
from .._store.store import Backend, revise
from .._timestamp import from_timestamp

__all__ = ("EMPTY", "read", "summary", "write")

_NAME = "backup/status"
EMPTY: dict[str, t.Any] = {}
_FIELDS = {"attempted_at": str, "problem": str, "newest": dict, "targets": dict}


def read(backend: Backend) -> dict[str, t.Any]:
    """Return the record, or nothing if no backup has ever been tried."""
    document = backend.read(_NAME)
    return _parse(document.content, backend.where(_NAME)) if document else EMPTY


def summary(backend: Backend, now: datetime.datetime) -> dict[str, t.Any]:
    """Return the record with the age of the newest backup in hours, or nothing if no backup has ever been tried."""
    found = read(backend)
    if not found:
        return {}
    created_at = found["newest"].get("created_at")
    return {**found, "age_hours": round((now - from_timestamp(created_at)).total_seconds() / 3600, 1) if created_at else None}


def write(backend: Backend, attempted_at: str, problem: str, newest: t.Mapping[str, t.Any] | None, targets: t.Mapping[str, t.Any] | None) -> None:
    """Record an attempt. Without a new backup, the former one stays, and without targets, what was known of them."""

    def change(content: dict[str, t.Any] | None) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        former = _parse(content, backend.where(_NAME)) if content is not None else {"newest": {}, "targets": {}}
        return {}, {
            "attempted_at": attempted_at,
            "problem": problem,
            "newest": dict(newest) if newest else former["newest"],
            "targets": former["targets"] if targets is None else {name: {**former["targets"].get(name, {}), **its} for name, its in targets.items()},
        }

    revise(backend, _NAME, change, check_mode=False)


def _parse(content: t.Mapping[str, t.Any], where: str) -> dict[str, t.Any]:
    if not all(isinstance(content.get(field), kind) for field, kind in _FIELDS.items()):
        raise HostError(f"{where}: found a damaged record of backups, expected the last attempt, its problem, and the newest backup; remove it")
    return {field: content[field] for field in _FIELDS}

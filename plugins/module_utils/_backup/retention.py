# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of backups, and which of them may be removed from a target. The functions are pure."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

from .._errors import HostError
from .._timestamp import from_timestamp, to_timestamp

__all__ = (
    "KEEP", "MARK", "NAME", "PARTIAL", "Entry", "check_keep", "later_than", "left_behind", "moment_of", "name_of", "newest_verified", "ours", "to_remove",
)  # fmt: skip

KEEP: dict[str, t.Any] = {
    "type": "dict",
    "options": {
        "last": {"type": "int", "default": 7},
        "daily": {"type": "int", "default": 14},
        "weekly": {"type": "int", "default": 8},
    },
    "apply_defaults": True,
}
MARK = ".json"  # the suffix of the file that says that a backup was read back and compared
PARTIAL = ".partial"  # the suffix of a file that is not complete

_MOMENT = r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z"
_CLUSTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
NAME = re.compile(rf"{_CLUSTER.pattern}-\d{{8}}T\d{{6}}Z\.cfcr", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A backup at a target. It is verified if its mark is there, and names its size."""

    name: str
    verified: bool


def name_of(cluster: str, moment: datetime.datetime) -> str:
    """Return the name of a backup that is made now."""
    if not _CLUSTER.fullmatch(cluster):
        raise HostError(f"cluster: found {cluster!r}, expected letters, digits, and . _ - after the first one, 63 or fewer")
    return f"{cluster}-{moment:%Y%m%dT%H%M%SZ}.cfcr"


def moment_of(name: str, cluster: str) -> str | None:
    """Return the time in the name of a backup of a cluster, or None for any other name."""
    found = re.fullmatch(rf"{re.escape(cluster)}-{_MOMENT}\.cfcr", name, re.ASCII)
    if not found:
        return None
    year, month, day, hour, minute, second = found.groups()
    text = f"{year}-{month}-{day}T{hour}:{minute}:{second}Z"
    try:
        return to_timestamp(from_timestamp(text))
    except ValueError:
        return None


def ours(sizes: t.Mapping[str, int], marks: t.Mapping[str, t.Mapping[str, t.Any]], cluster: str) -> list[Entry]:
    """Return the backups of a cluster among the files of a target, the newest first, given the sizes of files and the contents of marks."""
    found = []
    for name, size in sizes.items():
        if moment_of(name, cluster):
            mark = marks.get(name, {})
            found.append(Entry(name, mark.get("cluster") == cluster and mark.get("size") == size and mark.get("verified") is True))
    return sorted(found, key=lambda entry: moment_of(entry.name, cluster) or "", reverse=True)


def newest_verified(entries: t.Iterable[Entry]) -> str | None:
    """Return the name of the newest verified backup, given the newest first."""
    return next((entry.name for entry in entries if entry.verified), None)


def check_keep(keep: t.Mapping[str, int]) -> None:
    """Refuse numbers that keep nothing."""
    for name in ("last", "daily", "weekly"):
        if keep[name] < 0:
            raise HostError(f"keep.{name}: found {keep[name]}, expected 0 or more")
    if keep["last"] < 1:
        raise HostError(f"keep.last: found {keep['last']}, expected 1 or more")


def later_than(names: t.Iterable[str], cluster: str, moment: str) -> list[str]:
    """Return the backups of a cluster whose name has a later time, the oldest first."""
    return sorted(name for name in names if (moment_of(name, cluster) or "") > moment)


def to_remove(entries: t.Sequence[Entry], keep: t.Mapping[str, int], cluster: str, made: str, before: str) -> list[str]:
    """Return the names of the backups to remove, the oldest first, given the newest first, and the one that was made now.

    The last ones are kept, and the newest of each of the last days and weeks (ISO 8601, UTC) with a backup. Only verified ones count. One that is
    not verified is removed only if it is from before a time: until then, another run may still be writing it.
    """
    verified = [entry.name for entry in entries if entry.verified]
    if not verified:
        return []
    by_day, by_week = (_newest_of(verified, cluster, period, keep[name]) for period, name in (("%Y-%m-%d", "daily"), ("%G-W%V", "weekly")))
    kept = {*verified[: max(1, keep["last"])], *by_day, *by_week, made}
    old = [entry for entry in reversed(entries) if entry.verified or (moment_of(entry.name, cluster) or "") < before]
    return [entry.name for entry in old if entry.name not in kept]


def left_behind(names: t.Collection[str], cluster: str, before: str) -> list[str]:
    """Return the files that killed runs have left: marks without a backup, and incomplete files of backups from before a time."""
    found = []
    for name in names:
        complete = name[: -len(PARTIAL)] if name.endswith(PARTIAL) else name
        backup = complete[: -len(MARK)] if complete.endswith(MARK) else complete
        moment = moment_of(backup, cluster)
        if moment and (moment < before if complete != name else backup not in names):
            found.append(name)
    return found


def _newest_of(names: t.Iterable[str], cluster: str, period: str, count: int) -> list[str]:
    """Return the newest backup of each of the last periods that have one."""
    newest: dict[str, str] = {}
    for name in names:
        newest.setdefault(from_timestamp(moment_of(name, cluster) or "").strftime(period), name)
    return list(newest.values())[:count]

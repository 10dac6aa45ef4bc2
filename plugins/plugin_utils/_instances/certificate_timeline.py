# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When certificates end, as points on a scale that shows next week as well as ten years."""

from __future__ import annotations

import dataclasses
import math
import typing as t

__all__ = ("Row", "Timeline", "timeline")

WIDTH, LEFT, RIGHT, TOP, ROW = 1000, 170, 70, 26, 26
_TICKS = ((0, "today"), (7, "1 week"), (30, "30 d"), (90, "90 d"), (365, "1 year"), (730, "2 years"), (1825, "5 years"), (3649, "10 years"))

Values = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Row:
    """The certificates of one host, or one authority."""

    label: str
    kind: str
    y: float
    days: int
    end: float
    state: str
    points: tuple[tuple[float, str, str], ...]


@dataclasses.dataclass(frozen=True)
class Timeline:
    """All of it."""

    width: float
    height: float
    left: float
    margin: float
    ticks: tuple[tuple[float, str], ...]
    rows: tuple[Row, ...]


def timeline(report: Values, margin_days: int) -> Timeline:
    """Return the timeline of a report: a row for each host that has certificates, for the administrator, and for each authority."""
    cluster = report["cluster"]
    entries = [(name, "host", _ends(host["certificates"])) for name, host in report["hosts"].items() if host.get("certificates")]
    if cluster["certificate"]:
        entries.append(("administrator", "host", _ends({"kubeconfig": cluster["certificate"]})))
    entries += [(authority["common_name"], "authority", _ends({authority["common_name"]: authority})) for authority in cluster["authorities"]]
    entries = [entry for entry in entries if entry[2]]
    furthest = max([days for entry in entries for days, _text in entry[2]] + [margin_days, 30])
    place = _scale(furthest)
    rows = tuple(
        Row(label, kind, TOP + ROW * number + ROW / 2, ends[0][0], place(ends[0][0]), _state(ends[0][0], margin_days), _points(ends, place, margin_days))
        for number, (label, kind, ends) in enumerate(entries)
    )
    ticks = tuple((place(days), text) for days, text in _TICKS if days <= furthest)
    return Timeline(WIDTH, TOP + ROW * len(rows) + 8, LEFT, place(margin_days), ticks, rows)


def _ends(certificates: t.Mapping[str, Values]) -> list[tuple[int, str]]:
    """Return the days that are left and what to say, the next end first."""
    return sorted(
        (certificate["days_left"], f"{path}: {certificate['common_name']}, until {certificate['not_after']}, signed by {certificate['issuer']}")
        for path, certificate in certificates.items()
        if "days_left" in certificate
    )


def _points(ends: t.Sequence[tuple[int, str]], place: t.Callable[[int], float], margin_days: int) -> tuple[tuple[float, str, str], ...]:
    """Return the ends, those in one place together."""
    points: dict[float, list[tuple[int, str]]] = {}
    for days, text in ends:
        points.setdefault(round(place(days), 1), []).append((days, text))
    return tuple((x, _state(those[0][0], margin_days), "\n".join(text for _days, text in those)) for x, those in points.items())


def _scale(furthest: int) -> t.Callable[[int], float]:
    """Return where a number of days stands; a day counts less the further it is away."""
    whole = math.log1p(furthest / 10)
    return lambda days: LEFT + (WIDTH - LEFT - RIGHT) * math.log1p(max(days, 0) / 10) / whole


def _state(days: int, margin_days: int) -> str:
    return "failing" if days < 0 else "warning" if days < margin_days else "healthy"

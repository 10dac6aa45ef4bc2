# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The timeline of certificates: points on a scale that shows the next week as well as the next ten years."""

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
    """The certificates of one host, or one CA."""

    label: str
    kind: str
    y: float
    days: int
    end: float
    state: str
    points: tuple[tuple[float, str, str], ...]


@dataclasses.dataclass(frozen=True)
class Timeline:
    """The whole timeline."""

    width: float
    height: float
    left: float
    margin: float
    ticks: tuple[tuple[float, str], ...]
    rows: tuple[Row, ...]


def timeline(report: Values, margin_days: int) -> Timeline:
    """Return the timeline of a report: a row for each host with certificates, for the kubeconfig, and for each CA."""
    cluster = report["cluster"]
    entries = [(name, "host", _expiries(host["certificates"])) for name, host in report["hosts"].items() if host.get("certificates")]
    if cluster["certificate"]:
        entries.append(("kubeconfig", "host", _expiries({"kubeconfig": cluster["certificate"]})))
    entries += [(authority["common_name"], "CA", _expiries({authority["common_name"]: authority})) for authority in cluster["authorities"]]
    entries = [entry for entry in entries if entry[2]]
    furthest = max([days for entry in entries for days, _text in entry[2]] + [margin_days, 30])
    place = _scale(furthest)
    rows = tuple(_row(entry, TOP + ROW * number + ROW / 2, place, margin_days) for number, entry in enumerate(entries))
    ticks = tuple((place(days), text) for days, text in _TICKS if days <= furthest)
    return Timeline(WIDTH, TOP + ROW * len(rows) + 8, LEFT, place(margin_days), ticks, rows)


def _row(entry: tuple[str, str, list[tuple[int, str]]], y: float, place: t.Callable[[int], float], margin_days: int) -> Row:
    label, kind, expiries = entry
    next_days = expiries[0][0]
    return Row(label, kind, y, next_days, place(next_days), _state(next_days, margin_days), _points(expiries, place, margin_days))


def _expiries(certificates: t.Mapping[str, Values]) -> list[tuple[int, str]]:
    """Return the days left and a description of each certificate, the next one to expire first."""
    return sorted(
        (certificate["days_left"], f"{path}: {certificate['common_name']}, until {certificate['not_after']}, signed by {certificate['issuer']}")
        for path, certificate in certificates.items()
        if "days_left" in certificate
    )


def _points(expiries: t.Sequence[tuple[int, str]], place: t.Callable[[int], float], margin_days: int) -> tuple[tuple[float, str, str], ...]:
    """Return the points. Certificates at the same place share one."""
    points: dict[float, list[tuple[int, str]]] = {}
    for days, text in expiries:
        points.setdefault(round(place(days), 1), []).append((days, text))
    return tuple((x, _state(those[0][0], margin_days), "\n".join(text for _days, text in those)) for x, those in points.items())


def _scale(furthest: int) -> t.Callable[[int], float]:
    """Return a function from days to a place on the scale, which is logarithmic."""
    whole = math.log1p(furthest / 10)
    return lambda days: LEFT + (WIDTH - LEFT - RIGHT) * math.log1p(max(days, 0) / 10) / whole


def _state(days: int, margin_days: int) -> str:
    return "failing" if days < 0 else "warning" if days < margin_days else "healthy"

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wait until the units of a host are healthy, and have been so for a while."""

from __future__ import annotations

import time
import typing as t

from . import probe, systemd

__all__ = ("problems", "units_of", "wait")

POLL_SECONDS = 0.5

Unit = t.Dict[str, t.Any]


def units_of(jobs: t.Iterable[dict[str, t.Any]]) -> list[Unit]:
    """Return the units in the descriptors of jobs."""
    return [unit for job in jobs for unit in job["units"]]


def problems(units: t.Sequence[Unit]) -> dict[str, str]:
    """Return the problems by unit. A host that describes no unit is no healthy host."""
    if not units:
        return {"units": "found none that a job has described"}
    states = systemd.show([unit["name"] for unit in units], "ActiveState")
    found = {}
    for unit in units:
        state = states[unit["name"]]["ActiveState"]
        said = [f"is {state}"] if state != "active" else [answer for answer in map(probe.problem, unit["health"]) if answer]
        if said:
            found[unit["name"]] = said[0]
    return found


def wait(units: t.Sequence[Unit], low: float, high: float) -> dict[str, str]:
    """Wait until all units have been healthy for some seconds without an interruption or a restart, and return the problems that remain after the most."""
    begin = since = time.monotonic()
    starts = _starts(units)
    while True:
        found = problems(units)
        now, started = time.monotonic(), _starts(units)
        if found or started != starts:
            since, starts = now, started
        elif now - since >= low:
            return {}
        if now - begin > high:
            return found or {"units": f"have not been healthy for {low:g} seconds without a restart"}
        time.sleep(POLL_SECONDS)


def _starts(units: t.Sequence[Unit]) -> dict[str, str]:
    """Return when each unit was started."""
    shown = systemd.show([unit["name"] for unit in units], "ActiveEnterTimestampMonotonic") if units else {}
    return {name: value["ActiveEnterTimestampMonotonic"] for name, value in shown.items()}

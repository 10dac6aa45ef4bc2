# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The points at which a run of a playbook is killed, in an order that does not depend on which host was faster."""

from __future__ import annotations

import re
import typing as t


def in_order(recorded: t.Iterable[str]) -> list[str]:
    """Return the points at which something has happened since the one before.

    That is the beginning of a task after one that had phases. The last phase of a task on a host is as good as the beginning of the next task.
    """
    phases: dict[str, dict[str, int]] = {}
    for point in recorded:
        task, _colon, phase = point.rpartition(": ")
        if task in phases and (found := re.fullmatch(r"(\S+) (\d+)", phase)):
            phases[task][found[1]] = max(int(found[2]), phases[task].get(found[1], 0))
        else:
            phases[point] = {}
    points: list[str] = []
    happened = False
    for task in sorted(phases):
        points += [task] if happened else []
        points += [f"{task}: {host} {number}" for host, count in sorted(phases[task].items()) for number in range(1, count)]
        happened = phases[task] != {}
    return points

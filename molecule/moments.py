# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random moments of an update, spread over all its batches."""

from __future__ import annotations

import random
import re

LONGEST_SECONDS = 20.0  # a batch takes longer
_LINE = re.compile(r"\d+\. (etcd|emulation|masters|proxies|workers): |   - ([a-z]+-\d+)")


def batches(plan: str) -> list[tuple[str, str]]:
    """Return the phase and the host of each batch, as the output of a run shows its plan. Batches have one host."""
    found, phase = [], ""
    for begun, host in _LINE.findall(plan):
        phase = begun or phase
        found += [(phase, host)] if host else []
    return found


def chosen(plan: str, number: int, seed: str) -> list[tuple[str, str, float]]:
    """Return so many batches in the order of the plan, each with the seconds after its begin."""
    source, found = random.Random(seed), batches(plan)
    return [(*found[index], round(source.uniform(0, LONGEST_SECONDS), 1)) for index in sorted(source.sample(range(len(found)), number))]


def begun(phase: str, host: str, output: str) -> bool:
    """Tell whether a run has begun with a batch."""
    return bool(re.search(rf"\b{host}: host [^']*?, {phase}: ", output))

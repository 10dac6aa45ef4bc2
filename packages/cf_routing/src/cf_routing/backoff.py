# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting times after failures."""

from __future__ import annotations

import random

FIRST_SECONDS = 0.5
# Short enough for several attempts within the life of a route, and to notice recovery soon.
MAX_SECONDS = 10


class Backoff:
    """A wait that doubles with each failure up to the maximum, with jitter; a success resets it."""

    def __init__(self) -> None:
        self._seconds = FIRST_SECONDS

    def reset(self) -> None:
        self._seconds = FIRST_SECONDS

    def next(self) -> float:
        seconds = self._seconds
        self._seconds = min(2 * seconds, MAX_SECONDS)
        return seconds * random.uniform(0.75, 1.25)

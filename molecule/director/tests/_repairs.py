# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Repeated runs of repair.yml, as the director's timer starts them."""

from __future__ import annotations

import threading
import typing as t

from playbook import Run

# The interval of the timer of role director. This machine may have no systemd to run that timer, so a loop replaces it.
INTERVAL_SECONDS = 10


class Timer:
    """Starts a run, waits for its end and for the interval, and starts the next one."""

    def __init__(self, start: t.Callable[[], Run]) -> None:
        self.runs: list[Run] = []
        self._start = start
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Timer:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._end.set()
        self._thread.join()

    def said(self, words: str, since: float) -> tuple[Run, float] | None:
        """Return the first run that printed these words after a time, and the time when it did."""
        for run in list(self.runs):
            at = run.said(words, since)
            if at is not None:
                return run, at
        return None

    def _work(self) -> None:
        while not self._end.is_set():
            run = self._start()
            self.runs.append(run)
            run.end()
            self._end.wait(INTERVAL_SECONDS)

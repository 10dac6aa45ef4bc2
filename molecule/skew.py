# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Samples of the versions of API servers and kubelets during an update, and what violates the version skew policy."""

from __future__ import annotations

import threading
import time
import typing as t

PERIOD_SECONDS = 0.2
FRESH_SECONDS = 1.0  # an older answer tells nothing about now


def violation(servers: t.Sequence[str], kubelets: t.Sequence[str]) -> str:
    """Return how versions that serve at the same time violate the policy, or nothing."""
    minors, nodes = ([int(version.split(".")[1]) for version in versions] for versions in (servers, kubelets))
    if max(minors) - min(minors) > 1 or max(nodes) > min(minors) or min(nodes) < max(minors) - 3:
        return f"API servers {list(servers)}, kubelets {list(kubelets)}"
    return ""


def _ticks(end: threading.Event) -> t.Iterator[float]:
    """Yield the time five times a second until the end. A slow answer delays only one of them."""
    due = time.monotonic()
    while not end.wait(max(0.0, due - time.monotonic())):
        yield time.monotonic()
        due = max(due + PERIOD_SECONDS, time.monotonic())


class _Poll(threading.Thread):
    """Asks one server, and keeps its last answer with the time, or None if it gave none."""

    def __init__(self, ask: t.Callable[[], t.Any], end: threading.Event) -> None:
        super().__init__(daemon=True)
        self._ask, self._end = ask, end
        self.last: tuple[float, t.Any] = (time.monotonic(), None)
        self.is_down = False
        self.start()

    def run(self) -> None:
        for _now in _ticks(self._end):
            try:
                self.last, self.is_down = (time.monotonic(), self._ask()), False
            except OSError:
                self.last, self.is_down = (time.monotonic(), None), True

    @property
    def fresh(self) -> t.Any:
        """The last answer, unless it is old."""
        at, answer = self.last
        return answer if time.monotonic() - at < FRESH_SECONDS else None


class Skew(threading.Thread):
    """Compares the last answers of all servers five times a second. Each server is asked in its own thread, so none waits for one that is down."""

    def __init__(self, servers: t.Sequence[t.Callable[[], str]], nodes: t.Callable[[], t.Sequence[str]]) -> None:
        """Take functions that return the version of each API server, and those of all kubelets, or raise an OSError."""
        super().__init__(daemon=True)
        self.samples, self.violations, self._end = 0, [], threading.Event()
        self._servers, self._nodes = [_Poll(ask, self._end) for ask in servers], _Poll(nodes, self._end)
        self._began = self._ended = time.monotonic()
        self.start()

    def run(self) -> None:
        for _now in _ticks(self._end):
            servers = [version for poll in self._servers if (version := poll.fresh)]
            if all(poll.is_down for poll in self._servers):
                self._note("no API server answers")
            elif servers and (kubelets := self._nodes.fresh):
                self.samples += 1
                self._note(violation(servers, kubelets))
        self._ended = time.monotonic()

    def end(self) -> list[str]:
        """Stop, and return the violations."""
        self._end.set()
        self.join()
        return self.violations

    @property
    def rate(self) -> float:
        """The samples per second."""
        return round(self.samples / max(self._ended - self._began, PERIOD_SECONDS), 1)

    def _note(self, found: str) -> None:
        if found:
            self.violations.append(f"{time.strftime('%H:%M:%S')} {found}")

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Continuous writes to and reads from the API of a scenario's cluster, and the writes that are lost."""

from __future__ import annotations

import random
import threading
import time
import typing as t

OBJECTS = "/api/v1/namespaces/default/configmaps"
OURS = {"app": "load"}
PAUSE_SECONDS = 0.2

# Takes a method, a path and optionally a body. Returns the status and the answer, or raises an OSError if there is none.
Ask = t.Callable[..., tuple[int, t.Any]]


class Load:
    """Writes objects one after the other, remembers those that are acknowledged, and reads a random one of them in between."""

    def __init__(self, ask: Ask) -> None:
        self.acknowledged: list[str] = []
        self.figures: dict[str, t.Any] = {"requests": 0, "failed": [], "longest_without_an_answer": 0.0}
        self._ask, self._missed, self._end = ask, set(), threading.Event()
        self._threads = [threading.Thread(target=self._repeat, args=(request,), daemon=True) for request in (self._write, self._read)]
        for thread in self._threads:
            thread.start()

    def end(self) -> list[str]:
        """Stop, and return the acknowledged writes that are missing now or were missing in a read."""
        self._end.set()
        for thread in self._threads:
            thread.join()
        status, answer = self._ask("GET", f"{OBJECTS}?labelSelector=app%3Dload")
        assert status == 200, answer
        return sorted(set(self.acknowledged) - {item["metadata"]["name"] for item in answer["items"]} | self._missed)

    def _repeat(self, request: t.Callable[[], None]) -> None:
        answered = time.monotonic()
        while not self._end.wait(PAUSE_SECONDS):
            try:
                request()
            except OSError as error:
                self.figures["failed"].append(f"{time.strftime('%H:%M:%S')} {error}")
            else:
                now = time.monotonic()
                self.figures["longest_without_an_answer"] = max(self.figures["longest_without_an_answer"], round(now - answered, 1))
                answered = now
            self.figures["requests"] += 1

    def _write(self) -> None:
        status, answer = self._ask("POST", OBJECTS, {"metadata": {"generateName": "load-", "labels": OURS}})
        if status != 201:
            raise OSError(f"{status} {answer}")
        self.acknowledged.append(answer["metadata"]["name"])

    def _read(self) -> None:
        if not self.acknowledged:
            return
        name = random.choice(self.acknowledged)
        status, answer = self._ask("GET", f"{OBJECTS}/{name}")
        if status == 404:
            self._missed.add(name)
        elif status != 200:
            raise OSError(f"{status} {answer}")

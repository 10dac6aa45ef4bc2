# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Continuous writes to and reads from the API of a scenario's cluster, a watch of them, and the writes that are lost or that the watch has missed."""

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
# Takes the path of a watch. Yields its events until the server ends it, or raises an OSError if the connection breaks.
Stream = t.Callable[[str], t.Iterator[dict[str, t.Any]]]
WATCH_SECONDS = 30  # until the last event has come


class Watch(threading.Thread):
    """One long watch of the objects, which goes on after the last event whenever the connection ends, as controllers do. It never lists them again."""

    def __init__(self, stream: Stream, version: str) -> None:
        super().__init__(daemon=True)
        self.seen: set[str] = set()
        self.gaps: list[str] = []
        self.connections = 0
        self._stream, self._version, self._end = stream, version, threading.Event()
        self.start()

    def end(self, expected: t.Collection[str]) -> list[str]:
        """Wait for the last events, stop, and return the objects that no event has told of."""
        until = time.monotonic() + WATCH_SECONDS
        while not self.seen.issuperset(expected) and self.is_alive() and time.monotonic() < until:
            time.sleep(PAUSE_SECONDS)
        self._end.set()
        self.join()
        return sorted(set(expected) - self.seen)

    def run(self) -> None:
        while not self._end.wait(PAUSE_SECONDS if self.connections else 0):
            self.connections += 1
            try:
                for event in self._stream(f"{OBJECTS}?watch=1&labelSelector=app%3Dload&allowWatchBookmarks=true&resourceVersion={self._version}"):
                    if event["type"] == "ERROR":  # the server no longer has what comes next
                        self.gaps.append(f"{time.strftime('%H:%M:%S')} {event['object']}")
                        return
                    self._version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] == "ADDED":
                        self.seen.add(event["object"]["metadata"]["name"])
                    if self._end.is_set():
                        return
            except OSError:
                continue


class Load:
    """Writes objects one after the other, remembers those that are acknowledged, and reads a random one of them in between. Watches them if it can."""

    def __init__(self, ask: Ask, stream: Stream | None = None) -> None:
        self.acknowledged: list[str] = []
        self.figures: dict[str, t.Any] = {"requests": 0, "failed": [], "longest_without_an_answer": 0.0}
        self._ask, self._missed, self._end = ask, set(), threading.Event()
        self._threads = [threading.Thread(target=self._repeat, args=(request,), daemon=True) for request in (self._write, self._read)]
        self._watch = Watch(stream, self._list()["metadata"]["resourceVersion"]) if stream else None
        for thread in self._threads:
            thread.start()

    def end(self) -> list[str]:
        """Stop, and return the acknowledged writes that are missing now or were missing in a read."""
        self._end.set()
        for thread in self._threads:
            thread.join()
        if self._watch:
            unseen = self._watch.end(self.acknowledged)
            self.figures |= {"watches": self._watch.connections, "gaps": self._watch.gaps + [f"no event of {name}" for name in unseen]}
        return sorted(set(self.acknowledged) - {item["metadata"]["name"] for item in self._list()["items"]} | self._missed)

    def _list(self) -> dict[str, t.Any]:
        status, answer = self._ask("GET", f"{OBJECTS}?labelSelector=app%3Dload")
        assert status == 200, answer
        return answer

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

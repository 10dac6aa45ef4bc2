# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who writes to the API and reads from it, through its endpoint, without a pause."""

from __future__ import annotations

import http.client
import json
import threading
import time
import typing as t
import urllib.parse

from scenario import administrator

PATIENCE, PAUSE = 10, 0.2
OBJECTS = "/api/v1/namespaces/default/configmaps"


def ask(method: str, path: str, body: t.Any = None) -> t.Any:
    """Return an answer, or raise an OSError. Each request has a connection of its own, as the kubeconfig says now."""
    server, context = administrator.__wrapped__()
    connection = http.client.HTTPSConnection(urllib.parse.urlsplit(server).netloc, timeout=PATIENCE, context=context)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.load(response)
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
    finally:
        connection.close()
    if response.status >= 300:
        raise OSError(f"{response.status} {answer.get('message')}")
    return answer


class Load:
    """A writer that remembers what was acknowledged, and a reader."""

    def __init__(self) -> None:
        self.acknowledged: list[str] = []
        self.figures: dict[str, t.Any] = {"requests": 0, "failed": [], "longest_without_an_answer": 0.0}
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._repeat, args=(request,), daemon=True) for request in (self._write, self._read)]
        for thread in self._threads:
            thread.start()

    def end(self) -> list[str]:
        """Have it end, and return what was acknowledged and is lost."""
        self._end.set()
        for thread in self._threads:
            thread.join()
        there = {item["metadata"]["name"] for item in ask("GET", f"{OBJECTS}?labelSelector=app%3Dload")["items"]}
        ask("DELETE", f"{OBJECTS}?labelSelector=app%3Dload")
        return sorted(set(self.acknowledged) - there)

    def _repeat(self, request: t.Callable[[int], None]) -> None:
        number, answered = 0, time.monotonic()
        while not self._end.wait(PAUSE):
            number += 1
            try:
                request(number)
            except OSError as error:
                self.figures["failed"].append(f"{time.strftime('%H:%M:%S')} {error}")
            else:
                now = time.monotonic()
                self.figures["longest_without_an_answer"] = max(self.figures["longest_without_an_answer"], round(now - answered, 1))
                answered = now
            self.figures["requests"] += 1

    def _write(self, number: int) -> None:
        name = f"load-{number}"
        ask("POST", OBJECTS, {"metadata": {"name": name, "labels": {"app": "load"}}})
        self.acknowledged.append(name)

    @staticmethod
    def _read(_number: int) -> None:
        ask("GET", "/api/v1/namespaces/default")

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API of the cluster, without kubectl, and who writes to it and reads from it without a pause."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import typing as t

from scenario import administrator

PATIENCE, PAUSE = 3, 0.2
NAMESPACE = "written"


class Api:
    """The API server at one of several addresses: whoever answers."""

    def __init__(self, addresses: list[str], port: int = 8443) -> None:
        _server, self._context = administrator()
        self._addresses, self._port = addresses, port

    def ask(self, method: str, path: str, body: t.Any = None) -> tuple[int, t.Any]:
        """Return the status and the answer of the first address that answers, which is asked first from then on."""
        for number, address in enumerate(self._addresses):
            try:
                answer = self.ask_at(address, method, path, body)
            except OSError:
                if number + 1 == len(self._addresses):
                    raise
                continue
            if number:
                self._addresses = [address, *(other for other in self._addresses if other != address)]
            return answer

    def ask_at(self, address: str, method: str, path: str, body: t.Any = None) -> tuple[int, t.Any]:
        """Return the status and the answer of one address; no answer is an OSError."""
        connection = http.client.HTTPSConnection(address, self._port, timeout=PATIENCE, context=self._context)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
        except http.client.HTTPException as error:
            raise OSError(error) from error
        finally:
            connection.close()
        return response.status, json.loads(content) if content.startswith(b"{") else content.decode()


class Load:
    """Writes an object after the other, remembers each that was acknowledged, and reads one of them, chosen at random, in between."""

    def __init__(self, api: Api) -> None:
        self.acknowledged: list[tuple[str, float]] = []
        self.refused = self.read = 0
        self.lost: list[str] = []
        self._api = api
        self._end = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._write, self._read)]
        api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Have it end."""
        self._end.set()
        for thread in self._threads:
            thread.join()

    def stored(self) -> set[str]:
        """Return the names of all objects that are there."""
        status, answer = self._api.ask("GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps")
        assert status == 200, answer
        return {item["metadata"]["name"] for item in answer["items"]}

    def longest_gap(self) -> float:
        """Return the longest time between two writes that were acknowledged."""
        times = [at for _name, at in self.acknowledged]
        return max((after - before for before, after in zip(times, times[1:])), default=0.0)

    def _write(self) -> None:
        number = 0
        while not self._end.wait(PAUSE):
            number += 1
            name = f"number-{number:06}"
            body = {"metadata": {"name": name}, "data": {"number": str(number)}}
            try:
                status, _answer = self._api.ask("POST", f"/api/v1/namespaces/{NAMESPACE}/configmaps", body)
            except OSError:
                status = 0
            if status == 201:
                self.acknowledged.append((name, time.monotonic()))
            else:
                self.refused += 1

    def _read(self) -> None:
        while not self._end.wait(PAUSE):
            if not self.acknowledged:
                continue
            name, _at = random.choice(self.acknowledged)
            try:
                status, _answer = self._api.ask("GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps/{name}")
            except OSError:
                continue
            self.read += 1
            if status == 404:
                self.lost.append(name)

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of living masters: each renews its entry in etcd, and the others withdraw the route of one that no longer does.

The entries are annotations of one Lease. A renewal is a write through the master's own API server, which etcd's majority must confirm. So a master
that is cut off from the majority can neither renew its entry nor judge another one.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import typing as t

from .errors import FAULTS
from .kubernetes import ApiError, Kubernetes

# Short, because the routers do not go on to another backend: meanwhile a share of new connections fails.
RENEW_SECONDS = 1
SILENT_SECONDS = 3
# After a longer pause of this process, of its API server or of etcd, the silence of the others proves nothing.
PAUSE_SECONDS = 2
ANSWER_SECONDS = 1
WITHDRAWN = "withdrawn"

Backend = tuple[str, int]


def key(backend: Backend) -> str:
    """Return the name of an annotation, which may have no colon."""
    ip, port = backend
    return f"{ip.replace(':', '_')}_{port}"


def backend(name: str) -> Backend:
    ip, _line, port = name.rpartition("_")
    return ip.replace("_", ":"), int(port)


class Silence:
    """Which entries have not changed for some time, by this process's clock and its own successful renewals only."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, float]] = {}
        self._at = float("-inf")

    def observe(self, now: float, entries: t.Mapping[str, str]) -> dict[str, str]:
        """Take the entries that a renewal returned, and return the silent ones."""
        before = self._seen if now - self._at <= PAUSE_SECONDS else {}
        self._at = now
        self._seen = {name: before[name] if name in before and before[name][0] == value else (value, now) for name, value in entries.items()}
        return {name: value for name, (value, since) in self._seen.items() if now - since >= SILENT_SECONDS}


class Masters:
    """The entries of all masters, and that of this one."""

    def __init__(self, api: Kubernetes, lease: dict[str, str], own: Backend) -> None:
        self._api, self._own = api, key(own)
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{lease['namespace']}/leases/{lease['name']}"
        self._instance, self._turn = secrets.token_hex(4), 0
        self._value: str | None = None
        self._silence = Silence()

    async def renew(self) -> tuple[dict[str, str], bool]:
        """Renew the own entry. Return those of the others that are silent, and whether the own one was new or had been withdrawn."""
        self._turn += 1
        value, before, lost = f"{self._instance} {self._turn}", self._value, True
        # After a failure, the entry may have either value.
        self._value = None
        found = None
        if before is not None and (found := await self._replace(self._own, before, value)):
            lost = False
        if found is None:
            found = await self._api.request("PATCH", self._path, {"metadata": {"annotations": {self._own: value}}}, "application/merge-patch+json")
        self._value = value
        entries = {name: text for name, text in (found["metadata"].get("annotations") or {}).items() if _is_entry(name)}
        silent = self._silence.observe(asyncio.get_running_loop().time(), entries)
        return {name: text for name, text in silent.items() if name != self._own}, lost

    async def claim(self, name: str, value: str) -> bool:
        """Mark a silent entry as withdrawn, unless its master or another one has changed it meanwhile."""
        return value == WITHDRAWN or await self._replace(name, value, WITHDRAWN) is not None

    async def forget(self, name: str | None = None) -> None:
        """Remove a withdrawn entry, or the own one."""
        name, value = (name, WITHDRAWN) if name else (self._own, self._value)
        if value is not None:
            await self._patch([{"op": "test", "path": _pointer(name), "value": value}, {"op": "remove", "path": _pointer(name)}])
        if name == self._own:
            self._value = None

    async def _replace(self, name: str, before: str, after: str) -> dict[str, t.Any] | None:
        """Replace an entry and return the whole object, or return None if the entry has another value."""
        place = _pointer(name)
        return await self._patch([{"op": "test", "path": place, "value": before}, {"op": "replace", "path": place, "value": after}])

    async def _patch(self, operations: list[dict[str, str]]) -> dict[str, t.Any] | None:
        try:
            return await self._api.request("PATCH", self._path, operations, "application/json-patch+json")
        except ApiError as error:
            if error.status in (409, 422):
                return None
            raise


async def answers(where: Backend) -> bool:
    """Return whether a master accepts connections. Its own registrar then decides whether it is ready."""
    try:
        _reader, writer = await asyncio.wait_for(asyncio.open_connection(*where), ANSWER_SECONDS)
    except FAULTS:
        return False
    writer.close()
    with contextlib.suppress(*FAULTS):
        await writer.wait_closed()
    return True


def _pointer(name: str) -> str:
    return f"/metadata/annotations/{name}"


def _is_entry(name: str) -> bool:
    return "/" not in name and name.rpartition("_")[2].isdigit()

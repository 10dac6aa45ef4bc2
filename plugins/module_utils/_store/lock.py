# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock of a cluster: a document beside the credentials that says which run changes the cluster, taken over where that run is dead.

The store's backend writes it as it writes everything, by compare-and-set, so it is a lock wherever the store is. Who holds it is told by the
controllers; what a controller cannot see (a process elsewhere) is judged by the lease.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
import typing as t

from .._errors import HostError
from .options import STORE
from .store import Backend, Conflict

__all__ = ("SPEC", "Lock", "age", "blocker", "change", "describe", "operate")

SPEC: dict[str, t.Any] = {
    **STORE,
    "state": {"type": "str", "choices": ["present", "renewed", "absent", "query"], "default": "present"},
    "lease": {"type": "int", "default": 900},
    "override": {"type": "bool", "default": False},
    "on_held": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
    "serial": {"type": "int"},
    "holder": {"type": "dict", "default": {}},
    "gone": {"type": "str", "default": ""},
}

_NAME = "lock/run"


@dataclasses.dataclass(frozen=True)
class Lock:
    """What the document says; the serial grows each time that the lock is taken, so that "nobody changed anything since" can be asked."""

    serial: int = 0
    depth: int = 0  # how often its holder has taken it; 0 is free
    since: float = 0.0
    renewed: float = 0.0
    lease: int = 0
    holder: dict[str, t.Any] = dataclasses.field(default_factory=dict)


def blocker(lock: Lock, options: dict[str, t.Any], now: float) -> str:
    """Return why the lock is not to be had, or nothing."""
    mine = options["holder"].get("id")
    if options["serial"] not in (None, lock.serial) and lock.holder.get("id") != mine:
        return "another run has changed the cluster meanwhile"
    if not lock.depth or lock.holder["id"] in (mine, options["gone"]) or options["override"]:
        return ""
    # Its own controller sees whether the process lives (option gone); from elsewhere only the lease tells.
    if lock.holder["controller"] != options["holder"].get("controller") and now > lock.renewed + lock.lease:
        return ""
    return describe(lock, now)


def change(lock: Lock, options: dict[str, t.Any], now: float) -> Lock:
    """Return the lock as it is afterwards, where nothing stands against it."""
    state, mine = options["state"], lock.depth > 0 and lock.holder["id"] == options["holder"]["id"]
    if state == "query" or (state == "absent" and not mine):
        return lock
    if state == "absent":
        return dataclasses.replace(lock, depth=lock.depth - 1, renewed=now)
    if mine:
        return dataclasses.replace(lock, depth=lock.depth + (state == "present"), renewed=now, lease=options["lease"])
    return Lock(lock.serial + 1, 1, now, now, options["lease"], options["holder"])


def describe(lock: Lock, now: float) -> str:
    """Say who holds the lock and since when."""
    who = lock.holder
    job = f", AWX job {who['job']}" if who.get("job") else ""
    return (
        f"{who['playbook']} has been changing the cluster for {age(now - lock.since)} "
        f"(user {who['user']} on {who['hostname']}, process {who['pid']}{job}; last heard of {age(now - lock.renewed)} ago, lease {age(lock.lease)})"
    )


def age(seconds: float) -> str:
    """Return a number of seconds for people."""
    whole = max(0, round(seconds))
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"


def operate(backend: Backend, options: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Do what is asked for and return the module's result."""
    takes = options["state"] in ("present", "renewed") and not check_mode
    while True:
        document, now = backend.read(_NAME), time.time()
        lock = _parse(document.content, backend.where(_NAME)) if document else Lock()
        found = blocker(lock, options, now) if options["state"] != "absent" else ""
        new = lock if found or check_mode else change(lock, options, now)
        if new == lock:
            break
        with contextlib.suppress(Conflict):  # somebody was quicker: judge again
            backend.write(_NAME, dataclasses.asdict(new), document.version if document else 0)
            break
    if found and takes and options["on_held"] == "fail":
        raise HostError(
            f"{backend}: {found}. Wait for it to end. If that run is dead, its lock is taken over when its lease has run out, or at once by "
            "a run with -e lock_override=true."
        )
    result = {"changed": False, "serial": new.serial, "held": found, "holder": new.holder if new.depth else {}}
    if lock.depth and new.serial != lock.serial:
        result["warnings"] = [f"Taken over the lock of a run that is dead, or was overridden: {describe(lock, now)}."]
    return result


def _parse(content: dict[str, t.Any], where: str) -> Lock:
    try:
        return Lock(**{field.name: content[field.name] for field in dataclasses.fields(Lock)})
    except KeyError as error:
        raise HostError(f"{where}: damaged, {error} is missing; remove it when no run is changing the cluster") from error

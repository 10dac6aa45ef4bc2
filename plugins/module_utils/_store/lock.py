# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock of a cluster: a document in the store that names the run that changes the cluster.

Every backend writes by compare-and-set, so the document is a lock in any store. Controllers report who holds it. A controller sees whether its
own processes are alive; a holder on another controller is dead if its lease has expired.
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
    """The content of the document. The serial grows each time the lock is taken, which tells whether another run has changed the cluster since."""

    serial: int = 0
    depth: int = 0  # how many times its holder has taken it; 0: free
    since: float = 0.0
    renewed: float = 0.0
    lease: int = 0
    holder: dict[str, t.Any] = dataclasses.field(default_factory=dict)


def blocker(lock: Lock, options: dict[str, t.Any], now: float) -> str:
    """Return why the lock cannot be taken, or nothing."""
    mine = options["holder"].get("id")
    if options["serial"] not in (None, lock.serial) and lock.holder.get("id") != mine:
        return "another run has changed the cluster in the meantime"
    if not lock.depth or lock.holder["id"] in (mine, options["gone"]) or options["override"]:
        return ""
    # Its own controller sees whether the process is alive (option gone). For other controllers only the lease counts.
    if lock.holder["controller"] != options["holder"].get("controller") and now > lock.renewed + lock.lease:
        return ""
    return describe(lock, now)


def change(lock: Lock, options: dict[str, t.Any], now: float) -> Lock:
    """Return the lock after the operation, given that nothing blocks it."""
    state, mine = options["state"], lock.depth > 0 and lock.holder["id"] == options["holder"]["id"]
    if state == "query" or (state == "absent" and not mine):
        return lock
    if state == "absent":
        return dataclasses.replace(lock, depth=lock.depth - 1, renewed=now)
    if mine:
        return dataclasses.replace(lock, depth=lock.depth + (state == "present"), renewed=now, lease=options["lease"])
    return Lock(lock.serial + 1, 1, now, now, options["lease"], options["holder"])


def describe(lock: Lock, now: float) -> str:
    """Return a text with the holder of the lock and the time since."""
    who = lock.holder
    job = f", AWX job {who['job']}" if who.get("job") else ""
    return (
        f"{who['playbook']} has been changing the cluster for {age(now - lock.since)} "
        f"(user {who['user']} on {who['hostname']}, process {who['pid']}{job}; last renewed {age(now - lock.renewed)} ago, lease {age(lock.lease)})"
    )


def age(seconds: float) -> str:
    """Return a duration as text."""
    whole = max(0, round(seconds))
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"


def operate(backend: Backend, options: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Take, renew, release or query the lock, and return the result of the module."""
    takes = options["state"] in ("present", "renewed") and not check_mode
    while True:
        document, now = backend.read(_NAME), time.time()
        lock = _parse(document.content, backend.where(_NAME)) if document else Lock()
        found = blocker(lock, options, now) if options["state"] != "absent" else ""
        # A lease that has expired is renewed if the cluster is as this run has left it.
        if options["state"] == "renewed" and takes and not found and lock.holder.get("id") != options["holder"].get("id"):
            raise HostError(
                f"{backend}: found that this run has lost the cluster lock, expected to hold it: its lease had expired, and another run may have changed the "
                "cluster. Run the playbook again."
            )
        new = lock if found or check_mode else change(lock, options, now)
        if new == lock:
            break
        with contextlib.suppress(Conflict):  # another run was faster: check again
            backend.write(_NAME, dataclasses.asdict(new), document.version if document else 0)
            break
    if found and takes and options["on_held"] == "fail":
        raise HostError(
            f"{backend}: {found}. Wait until it finishes. If that run is dead, the next run takes the lock over once its lease has expired, or at "
            "once with -e lock_override=true."
        )
    result = {"changed": False, "serial": new.serial, "held": found, "holder": new.holder if new.depth else {}}
    if lock.depth and new.serial != lock.serial:
        result["warnings"] = [f"Took over the lock of a run that is dead or was overridden: {describe(lock, now)}."]
    return result


def _parse(content: dict[str, t.Any], where: str) -> Lock:
    try:
        return Lock(**{field.name: content[field.name] for field in dataclasses.fields(Lock)})
    except KeyError as error:
        raise HostError(f"{where}: damaged, {error} is missing; remove it while no run is changing the cluster") from error

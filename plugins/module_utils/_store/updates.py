# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of an update: its plan, which never changes, the backup before it, and the hosts that are done.

It is a document in the store, so that a run that was killed is resumed.

Runs that hold the lock of the cluster write it, apart from the request to pause, which comes from another run. Every write is a compare-and-set.
"""

from __future__ import annotations

import datetime
import typing as t

from .._errors import HostError
from .._timestamp import to_timestamp
from .options import STORE
from .store import Backend, revise

__all__ = ("SPEC", "following_in", "operate", "reached", "reached_in", "read", "summary")

SPEC: dict[str, t.Any] = {
    **STORE,
    "state": {"type": "str", "choices": ["query", "begun", "backed_up", "done", "paused", "finished"], "default": "query"},
    "plan": {"type": "dict", "default": {}},
    "replace": {"type": "bool", "default": False},
    "backup": {"type": "str", "default": ""},
    "step": {"type": "int", "default": 0},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "failed": {"type": "dict", "default": {}},
    "blocked": {"type": "dict", "default": {}},
}

_NAME = "update/plan"
# Two plans with the same values of these are one update.
_SAME = ("to", "rollback", "configuration", "packages", "recreate")
_NAMES = (*_SAME, "id", "from", "steps", "left_out", "backup", "done", "done_at", "failed", "blocked", "paused", "finished")
# Records of earlier versions do not have these.
_LATER: dict[str, t.Any] = {"reached": {}, "following": {}, "emulated_at": "", "given_up": [], "options": {}}
# What each run begins with: hosts that failed or could not be drained are tried again.
_NEW: dict[str, t.Any] = {"failed": {}, "blocked": {}, "paused": False, "finished": False}

Record = t.Dict[str, t.Any]


def operate(backend: Backend, options: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Read or change the record, and return the result of the module."""

    def change(content: dict[str, t.Any] | None) -> tuple[dict[str, t.Any], Record | None]:
        before = {} if content is None else _parse(content, backend.where(_NAME))
        after = _CHANGES[options["state"]](before, options)
        return {"changed": False, "record": after}, None if after == before else after

    return revise(backend, _NAME, change, check_mode)


def read(backend: Backend) -> Record:
    """Return the record, or nothing if no update has ever begun."""
    return operate(backend, {"state": "query"}, check_mode=True)["record"]


def summary(backend: Backend) -> dict[str, t.Any]:
    """Return how far an update is that is not finished, for people; else nothing."""
    record = read(backend)
    if record.get("finished", True):
        return {}
    hosts = [(step["phase"], str(number), name) for number, step in enumerate(record["steps"]) for batch in step["batches"] for name in batch]
    left = [(phase, name) for phase, number, name in hosts if name not in record["done"].get(number, [])]
    return {
        **{name: record[name] for name in ("id", "from", "to", "rollback", "paused", "failed", "blocked")},
        "phase": left[0][0] if left else "end",
        "done": len(hosts) - len(left),
        "changes": len(hosts),
        "waiting": sorted({name for _phase, name in left}),
    }


def reached(backend: Backend) -> dict[str, dict[str, t.Any]]:
    """Return what hosts have reached in an update that is not finished."""
    return reached_in(read(backend))


def reached_in(record: t.Mapping[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    """Return what hosts have reached, in this plan or in those before it that were given up, if the update is not finished.

    That is the versions, and the minor that masters emulate.
    """
    if record.get("finished", True):
        return {}
    done = {
        name: {"versions": step["versions"], "emulated": step["emulated"]}
        for number, step in enumerate(record["steps"])
        for name in record["done"].get(str(number), [])
    }
    return {**record.get("reached", {}), **done}


def following_in(record: t.Mapping[str, t.Any]) -> dict[str, list[dict[str, t.Any]]]:
    """Return what this plan and those before it that were given up would have given hosts next, the oldest plan first, if the update is not finished.

    A run that was killed, or that has lost a host, may have begun with it.
    """
    if record.get("finished", True):
        return {}
    found = {name: list(states) for name, states in record.get("following", {}).items()}
    planned = set()
    for number, step in enumerate(record["steps"]):
        its = {"versions": step["versions"], "emulated": step["emulated"]}
        for name in (name for batch in step["batches"] for name in batch if name not in record["done"].get(str(number), [])):
            if name not in planned and its not in found.setdefault(name, []):
                found[name].append(its)
            planned.add(name)
    return found


def _begun(before: Record, options: dict[str, t.Any]) -> Record:
    plan = options["plan"]
    new = {**_LATER, **{name: value for name, value in plan.items() if name in (*_NAMES, *_LATER)}, "backup": "", "done": {}, "done_at": {}, **_NEW}
    if not before or before["finished"]:
        return new
    differences = list(_differences(before, plan))
    # The way back is planned again only if it must be: replan leads forward.
    if not differences and (plan["rollback"] or not options["replace"]):
        return {**before, **_NEW}
    if not options["replace"]:
        raise HostError("\n".join(differences))
    # Nodes may still be cordoned by these.
    given_up = [name for name in (*before["given_up"], before["id"]) if name != new["id"]]
    taken = {"reached": reached_in(before), "following": following_in(before), "emulated_at": _emulated_at(before)}
    return {**new, **taken, "given_up": list(dict.fromkeys(given_up))}


def _emulated_at(record: Record) -> str:
    """Return since when all masters emulate a minor, so that the next plan does not end their soak; nothing if none does.

    After an interrupted step, some may have begun only now.
    """
    if not any(its["emulated"] for its in reached_in(record).values()):
        return ""
    found = record["emulated_at"]
    for number, step in enumerate(record["steps"]):
        done = record["done"].get(str(number), [])
        if step["emulated"] and done:
            complete = all(name in done for batch in step["batches"] for name in batch)
            found = record["done_at"][str(number)] if complete else _now()
    return found


def _differences(before: Record, plan: dict[str, t.Any]) -> t.Iterator[str]:
    """Yield why the update that is not finished cannot be resumed as this one."""
    if any(before[name] != plan[name] for name in _SAME):
        kind = "roll back" if before["rollback"] else "update"
        yield (
            f"update: found the {kind} to Kubernetes {before['to']['kubernetes']} that is not finished, expected the same one with the same "
            "options: finish it, go back with update_action=rollback, or give it up with update_action=replan"
        )
        return
    for name, value in before["options"].items():
        if not _follows(plan["options"].get(name, value), value):
            yield (
                f"{name}: found {_told(plan['options'][name])}, expected {_told(value)}, with which the update that is not finished was planned. "
                "Make another plan with update_action=replan"
            )
    if plan["unplanned"]:
        yield (
            f"update: found former versions on {', '.join(plan['unplanned'])}, expected hosts that the plan of the update has: they have joined or come "
            "back since it was made. Make another one with update_action=replan"
        )


def _follows(now: t.Any, planned: t.Any) -> bool:
    """Return whether a run with this value of an option follows a plan that was made with that one. Drains and reboots are left out at any time."""
    return set(now) >= set(planned) if isinstance(planned, list) else now in (planned, "never")


def _told(value: t.Any) -> str:
    return (", ".join(value) or "nothing") if isinstance(value, list) else str(value).lower()


def _done(before: Record, options: dict[str, t.Any]) -> Record:
    step = str(options["step"])
    known = before["done"].get(step, [])
    return {
        **before,
        "done": {**before["done"], step: [*known, *(name for name in options["hosts"] if name not in known)]},
        "done_at": {**before["done_at"], step: _now()},
        **{name: {**before[name], **options[name]} for name in ("failed", "blocked")},
    }


def _now() -> str:
    return to_timestamp(datetime.datetime.now(datetime.timezone.utc))


def _paused(before: Record, _options: dict[str, t.Any]) -> Record:
    if not before or before["finished"]:
        raise HostError("update_action: found pause, but no update that is not finished")
    return {**before, "paused": True}


_CHANGES: dict[str, t.Callable[[Record, dict[str, t.Any]], Record]] = {
    "query": lambda before, _options: before,
    "begun": _begun,
    "backed_up": lambda before, options: {**before, "backup": options["backup"]},
    "done": _done,
    "paused": _paused,
    "finished": lambda before, _options: {**before, "paused": False, "finished": True},
}


def _parse(content: dict[str, t.Any], where: str) -> Record:
    missing = [name for name in _NAMES if name not in content]
    if missing:
        raise HostError(f"{where}: damaged, {', '.join(missing)} is missing; remove it after you have examined the cluster")
    return {**{name: content[name] for name in _NAMES}, **{name: content.get(name, empty) for name, empty in _LATER.items()}}

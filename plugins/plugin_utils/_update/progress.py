# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is left of a plan, given how far it came: pure functions of the record in the store."""

from __future__ import annotations

import datetime
import typing as t

from ...module_utils._timestamp import from_timestamp, to_timestamp
from .plan import COMPONENTS, PHASES, PHASES_BACK, SLOTS

__all__ = ("END", "NOBODY", "among", "downloads", "drained", "is_complete", "recreates", "slots", "soak", "stop")

# A pattern without hosts, about which Ansible does not warn.
NOBODY = "all:!all"
END = "end"

Values = t.Mapping[str, t.Any]


def among(record: Values, hosts: t.Collection[str]) -> Values:
    """Return the record without the other hosts, which have left the inventory or do not answer."""
    steps = [{**step, "batches": [its for batch in step["batches"] if (its := [name for name in batch if name in hosts])]} for step in record["steps"]]
    return {**record, "steps": steps}


def drained(record: Values, drain: str, skipped: t.Collection[str]) -> Values:
    """Return the record with the workers that this run drains. A plan that pods block goes on with fewer."""
    kept = [{} if drain == "never" else {name: reason for name, reason in step["drain"].items() if name not in skipped} for step in record["steps"]]
    return {**record, "steps": [{**step, "drain": its} for step, its in zip(record["steps"], kept)]}


def slots(record: Values, until: str = END) -> list[dict[str, t.Any]]:
    """Return the hosts and the sizes of the batches of each play. Hosts that are done fall out."""
    found = [_slot(record, number, until) for number in range(len(record["steps"]))]
    return found + [{"hosts": NOBODY, "sizes": [1]}] * (SLOTS - len(found))


def _slot(record: Values, number: int, until: str) -> dict[str, t.Any]:
    step = record["steps"][number]
    # A step before the last phase runs, whatever its own phase: on the way back, masters may come first.
    is_after = until != END and all(_is_after(its["phase"], until, record["rollback"]) for its in record["steps"][number:])
    left = [] if is_after else _left(record, number)
    return {"hosts": ",".join(name for batch in left for name in batch) or NOBODY, "sizes": [len(batch) for batch in left] or [1]}


def _is_after(phase: str, until: str, rollback: bool) -> bool:
    order = PHASES_BACK if rollback else PHASES
    return order.index(phase) > order.index(until)


def _left(record: Values, number: int) -> list[list[str]]:
    done = record["done"].get(str(number), [])
    batches = ([name for name in batch if name not in done] for batch in record["steps"][number]["batches"])
    return [batch for batch in batches if batch]


def stop(record: Values, number: int, batch: t.Sequence[str], soaks_until: str = "") -> str:
    """Return why this batch of a step must not begin, or nothing.

    It begins once all hosts of the steps and batches before it are done, and the masters have soaked. A worker that could not be drained is no reason to
    stop, unless it was to be the canary of a larger batch.
    """
    if record["paused"]:
        return "paused"
    blocked = record["blocked"]
    if record["failed"]:
        return _told(record["failed"])
    before = [name for earlier in range(number) for its in _left(record, earlier) for name in its]
    batches, done = record["steps"][number]["batches"], record["done"].get(str(number), [])
    for its in batches:
        if set(its) & set(batch):
            break
        before += [name for name in its if name not in done and name not in blocked]
    if soaks_until and number >= _first_that_waits(record):
        return f"masters behave like the former minor until {soaks_until}"
    if before:
        return f"{', '.join(before)} did not finish"
    if blocked and not done and len(batch) > len(batches[0]):
        return f"no canary is done, because {_told(blocked)}"
    return ""


def soak(record: Values, hours: float, now: datetime.datetime) -> str:
    """Return until when all masters, which have new binaries, go on to emulate the former minor; nothing if they do not wait for that."""
    since = _emulated_at(record) if hours else ""
    if not since:
        return ""
    end = from_timestamp(since) + datetime.timedelta(hours=hours)
    return to_timestamp(end) if end > now else ""


def _emulated_at(record: Values) -> str:
    """Return since when all masters emulate the former minor, if the next step ends that: by this plan, or by one that was given up."""
    phases = [step["phase"] for step in record["steps"]]
    for number, phase in enumerate(phases[:-1]):
        if phase == "emulation" and not _left(record, number) and _left(record, number + 1):
            return record["done_at"].get(str(number), "")  # without it, all its hosts have left the cluster
    if "emulation" in phases or "masters" not in phases or record["rollback"]:
        return ""
    return record["emulated_at"] if _left(record, phases.index("masters")) else ""


def _first_that_waits(record: Values) -> int:
    """Return the first step that waits until the masters have soaked."""
    phases = [step["phase"] for step in record["steps"]]
    return phases.index("emulation") + 1 if "emulation" in phases else phases.index("masters")


def downloads(record: Values) -> dict[str, dict[str, t.Any]]:
    """Return the components and the versions that each host needs for its next step. A later step would not find them: a release is kept for one."""
    found: dict[str, dict[str, t.Any]] = {}
    for number, step in enumerate(record["steps"]):
        for name in (name for batch in _left(record, number) for name in batch):
            found.setdefault(name, {"components": list(COMPONENTS[step["group"]]), "versions": step["versions"]})
    return found


def recreates(record: Values) -> list[str]:
    """Return the hosts that an update which is not finished still recreates. A run that was killed may have deleted some of them."""
    if record.get("finished", True):
        return []
    return [name for number, step in enumerate(record["steps"]) for its in _left(record, number) for name in its if name in step["recreate"]]


def is_complete(record: Values) -> bool:
    """Return whether every host of every step is done, and none has failed: a member of etcd that cannot go back is done nevertheless."""
    return not record.get("failed") and not any(_left(record, number) for number in range(len(record["steps"])))


def _told(reasons: Values) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())

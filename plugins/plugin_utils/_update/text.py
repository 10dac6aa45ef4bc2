# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan and its progress as text."""

from __future__ import annotations

import typing as t

__all__ = ("progress", "text")

Values = t.Mapping[str, t.Any]

_PROJECTS = {"etcd": ("etcd",), "master": ("kubernetes", "flannel"), "proxy": ("kubernetes", "flannel"),
             "worker": ("kubernetes", "containerd", "runc", "cni-plugins", "flannel")}  # fmt: skip


def text(record: Values) -> list[str]:
    """Return the plan, a line for each batch."""
    if not record["steps"]:
        return ["Nothing to update.", *_left_out(record)]
    more = [", packages of the OS"] * record["packages"] + [", recreated hosts"] * bool(record["recreate"])
    lines = [f"{'Roll back' if record['rollback'] else 'Update'}: {changes(record['from'], record['to'])}{''.join(more)}"]
    for number, step in enumerate(record["steps"], 1):
        lines.append(f"{number}. {title(step)}")
        done = record.get("done", {}).get(str(number - 1), [])
        for batch in step["batches"]:
            lines.append("   - " + ", ".join(_host(name, step, name in done) for name in batch))
    return [*lines, *_left_out(record), *(f"Warning: {warning}" for warning in record.get("warnings", ()))]


def changes(before: Values, after: Values) -> str:
    """Return the projects whose versions differ."""
    versions = {project: version for project, version in after.items() if project != "catalog"}  # that is the minor once more
    found = [f"{project} {before.get(project, 'nothing')} to {version}" for project, version in versions.items() if before.get(project) != version]
    return ", ".join(found) or "the same versions"


def title(step: Values) -> str:
    """Return what a step does."""
    versions = ", ".join(f"{project} {step['versions'][project]}" for project in _PROJECTS[step["group"]])
    emulated = f", as if it were {step['emulated']}" if step["emulated"] else ""
    return f"{step['phase']}: {versions}{emulated}"


def progress(record: Values, number: int, batch: t.Sequence[str]) -> str:
    """Return the position of a batch: in its step, and of all hosts of all steps."""
    step = record["steps"][number]
    names = [name for its in step["batches"] for name in its]
    total = len(names)
    # Workers that pods block are behind as well, although they are not done.
    position = len({*record["done"].get(str(number), []), *(name for name in record["blocked"] if name in names)}) + 1
    until = position + len(batch) - 1
    hosts = f"host {position}" if until == position else f"hosts {position} to {until}"
    return f"{', '.join(batch)}: {hosts} of {total}, step {number + 1} of {len(record['steps'])}, {title(step)}"


def _host(name: str, step: Values, done: bool) -> str:
    notes = [f"drained: {step['drain'][name]}"] if name in step["drain"] else []
    notes += ["recreated"] if name in step["recreate"] else []
    if its := step["packages"].get(name):
        notes += [f"{its['count']} package{'s' if its['count'] > 1 else ''}"] if its["count"] else []
        notes += [f"reboots: {its['reboot']}"] if its["reboot"] else []
    notes += ["done"] if done else []
    return f"{name} ({'; '.join(notes)})" if notes else name


def _left_out(record: Values) -> list[str]:
    return [f"Left out: {name} {reason}" for name, reason in record["left_out"].items()]

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plays run modules on hosts of a cluster only by actions that validate the answers of the host."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
PREFIX = "cfcr.kubernetes."
# Actions that run on the controller and use no answer of a host.
ON_CONTROLLER = {
    *("add_host", "assert", "debug", "fail", "group_by", "include_vars", "meta", "pause", "set_fact", "set_stats"),
    "wait_for_connection",  # runs ping, and returns nothing of the answer
}
ROLES = ("include_role", "import_role")
TASKS = ("include_tasks", "import_tasks")
SECTIONS = ("pre_tasks", "tasks", "post_tasks", "handlers", "block", "rescue", "always")
# The director and the controller are trusted, and the host to which the operator sends a file with `target`.
TRUSTED = ("{{ cluster_director }}", "localhost", "{{ instances_target }}", "{{ logs_target }}")

Task = dict[str, t.Any]


def load(path: pathlib.Path) -> t.Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or []


def validating() -> set[str]:
    """Return the actions that validate answers, and those that use no host."""
    words = ("(HostAction)", "(ControllerAction)")
    paths = (ROOT / "plugins/action").glob("*.py")
    return {f"{PREFIX}{path.stem}" for path in paths if any(word in path.read_text(encoding="utf-8") for word in words)}


def action_of(task: Task) -> str:
    """Return the name of a task's module."""
    names = [key for key in task if "." in key]
    assert len(names) == 1, f"found modules {names}, expected one in {task}"
    return names[0]


def tasks_of_role(name: str, tasks_from: str = "main", delegated: str | None = None) -> t.Iterator[tuple[str, Task]]:
    """Yield the tasks and handlers of a role and of the roles that it depends on."""
    role = ROOT / "roles" / name.removeprefix(PREFIX)
    for dependency in load(role / "meta/main.yml").get("dependencies", []):
        yield from tasks_of_role(dependency["role"] if isinstance(dependency, dict) else dependency)
    for path in (role / "tasks" / f"{tasks_from.removesuffix('.yml')}.yml", role / "handlers/main.yml"):
        if path.exists():
            yield from expanded(load(path), path, delegated)


def applied(arguments: Task) -> str | None:
    """Return to which host include_role delegates the tasks of the role."""
    return arguments.get("apply", {}).get("delegate_to")


def expanded(tasks: list[Task], path: pathlib.Path, delegated: str | None) -> t.Iterator[tuple[str, Task]]:
    """Yield tasks with their location, and expand blocks, roles and included files. A delegation applies to all tasks of a block."""
    for task in tasks:
        to = task.get("delegate_to", delegated)
        inner = [section for section in SECTIONS if section in task]
        for section in inner:
            yield from expanded(task[section], path, to)
        if inner:
            continue
        action = action_of(task)
        name = action.removeprefix("ansible.builtin.")
        if name in ROLES:
            yield from tasks_of_role(task[action]["name"], task[action].get("tasks_from", "main"), to if name == "import_role" else applied(task[action]))
        elif name in TASKS:
            file = task[action] if isinstance(task[action], str) else task[action]["file"]
            for included in path.parent.glob(file.replace("{{ director_repair_state }}", "*")):
                yield from expanded(load(included), included, to)
        else:
            yield f"{path.relative_to(ROOT)}: {task['name']}", {**task, "delegate_to": to}


def tasks_of_plays() -> t.Iterator[tuple[str, Task]]:
    """Yield the tasks of every play whose hosts are a cluster's."""
    for path in sorted((ROOT / "playbooks").glob("*.yml")):
        for play in load(path):
            if "hosts" not in play or "localhost" in {play["hosts"], *re.findall(r"play_hosts', '([^']+)'", play["hosts"])}:
                continue
            for role in play.get("roles", []):
                yield from tasks_of_role(role if isinstance(role, str) else role["role"])
            for section in SECTIONS:
                yield from expanded(play.get(section, []), path, None)


PLAYED = {(where, action_of(task)): task for where, task in tasks_of_plays()}


def test_tasks_are_found():
    """Otherwise the next test would pass without tasks."""
    modules = {action for _where, action in PLAYED}
    assert {f"{PREFIX}{name}" for name in ("job", "host_facts", "host_health", "host_logs", "etcd_member", "unit_restart", "url_probe")} <= modules
    assert len(PLAYED) > 80


@pytest.mark.parametrize(("where", "action"), PLAYED)
def test_answers_of_hosts_are_validated(where, action):
    task = PLAYED[where, action]
    name = action.removeprefix("ansible.builtin.")
    assert name in ON_CONTROLLER or action in validating() or task["delegate_to"] in TRUSTED, (
        f"{where} runs {action} on a host without validating the answer. Run it by a subclass of HostAction, with the shape of its answer in answers.py."
    )

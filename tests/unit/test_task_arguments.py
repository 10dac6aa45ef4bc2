# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks name their arguments. With default settings, Ansible warns about each task whose arguments are one template."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("roles/*/tasks/**/*.yml"), *ROOT.glob("roles/*/handlers/*.yml"), *ROOT.glob("playbooks/*.yml")])
# add_host takes any variables, and the other modules take one argument without a name.
FREE = ("ansible.builtin.add_host", "ansible.builtin.include_tasks", "ansible.builtin.include_vars")
JOB = "cfcr.kubernetes.job"


def tasks(path: pathlib.Path) -> t.Iterator[dict[str, t.Any]]:
    """Yield all mappings of a file, tasks among them."""
    stack = [yaml.safe_load(path.read_text(encoding="utf-8"))]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            yield node
        stack += node.values() if isinstance(node, dict) else node if isinstance(node, list) else []


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_no_task_has_one_template_as_its_arguments(path):
    found = [(name, task[name]) for task in tasks(path) for name in task if re.fullmatch(r"\w+\.\w+\.\w+|args", str(name)) and name not in FREE]
    assert [name for name, arguments in found if isinstance(arguments, str) and "{{" in arguments] == []


def jobs() -> t.Iterator[tuple[str, dict[str, t.Any], dict[str, t.Any], bool]]:
    """Yield for each task with a job of a role: the job's variable and value, the task's arguments, and whether it is a handler."""
    for path in FILES:
        for arguments in (task[JOB] for task in tasks(path) if JOB in task):
            variables = yaml.safe_load((path.parents[1] / "vars/main.yml").read_text(encoding="utf-8"))
            name = re.fullmatch(r"\{\{ (\w+)\.name \}\}", arguments["name"])[1]
            yield name, variables[name], arguments, path.parent.name == "handlers"


JOBS = list(jobs())


def test_each_job_has_a_handler():
    assert {name for name, *_rest, handler in JOBS if handler} == {name for name, *_rest, handler in JOBS if not handler}
    assert len(JOBS) > 15


@pytest.mark.parametrize(("name", "job", "arguments", "handler"), JOBS, ids=[f"{name} {'restarted' if handler else ''}" for name, *_rest, handler in JOBS])
def test_a_task_passes_all_of_the_job(name, job, arguments, handler):
    """A handler that left out a part would restart the units with another configuration."""
    assert arguments == {**{key: f"{{{{ {name}.{key} }}}}" for key in job}, **({"state": "restarted"} if handler else {})}

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every playbook checks how it was started, and does not depend on the operator's settings of Ansible."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
import yaml
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.contract import Contract

ROOT = pathlib.Path(__file__).parents[2]
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
START = {
    "name": "Check how the playbook was started",
    "cfcr.kubernetes.preflight": {"scope": "start"},
    "run_once": True,
    "tags": "always",
}
IMPORT = """
- import_playbook: cfcr.kubernetes.smoke_tests
  tags: [kubernetes]
"""


def plays(path: pathlib.Path) -> list[dict[str, t.Any]]:
    """Return the plays of a playbook, without imported playbooks."""
    return [play for play in yaml.safe_load(path.read_text(encoding="utf-8")) if "hosts" in play]


@pytest.mark.parametrize("path", PLAYBOOKS, ids=[path.stem for path in PLAYBOOKS])
def test_first_task_checks_how_the_playbook_was_started(path):
    first = plays(path)[0]
    assert first.get("pre_tasks", first["tasks"] if "tasks" in first else [])[0] == START


@pytest.mark.parametrize("path", PLAYBOOKS, ids=[path.stem for path in PLAYBOOKS])
def test_plays_have_the_strategy_that_run_once_and_barriers_need(path):
    assert [play["strategy"] for play in plays(path)] == ["linear"] * len(plays(path))


def test_preflight_validates_the_roles_whose_imports_do_not():
    """Ansible would validate a role in a process for each host, when other roles have already changed hosts."""
    tasks = [task for play in plays(ROOT / "playbooks/site.yml") for part in ("pre_tasks", "tasks", "post_tasks") for task in play.get(part, [])]
    roles = {its["name"].rsplit(".", 1)[1]: its for task in tasks for key, its in task.items() if key.endswith("_role")}
    unchecked = {name for name, its in roles.items() if its.get("rolespec_validate") is False}
    with_entry_point = {name for name in roles if "main" in _argument_specs(name)}
    assert unchecked >= with_entry_point - {"iaas", "preflight"}
    missing = {option for name in unchecked for option in next(iter(_argument_specs(name).values()))["options"]} - Contract.options.keys()
    assert not missing
    assert Contract.options.keys() <= Contract.defaults.keys()


def _argument_specs(role: str) -> dict[str, t.Any]:
    return yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a playbook as an operator with default settings does."""
    (tmp_path / "hosts.yml").write_text("all: {vars: {cluster_api_host: api.example.com}}")
    (tmp_path / "import.yml").write_text(IMPORT)
    (tmp_path / "local.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [START]}]))
    (tmp_path / "empty.cfg").write_text("")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment |= {"ANSIBLE_CONFIG": "empty.cfg", "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")}

    def run(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.yml", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


def test_tags_are_refused_in_one_line(start):
    done = start("--tags", "etcd", "cfcr.kubernetes.site")
    assert done.returncode != 0
    assert '"msg": "--tags: found etcd, expected no tags, because the collection\'s tasks have none: use --limit to select hosts"' in done.stdout
    assert done.stdout.count("TASK") == 1


def test_tags_of_a_playbook_that_imports_ours_select_its_tasks(start):
    assert start("--tags", "kubernetes", "import.yml").returncode == 0


def test_a_playbook_compares_the_name_of_the_cluster_that_somebody_typed(start):
    """A survey of AWX asks for it before dangerous playbooks."""
    arguments = ("-i", "etcd-0,", "-e", '{"cluster_name": "prod", "ansible_connection": "local"}', "local.yml")
    assert "confirm_cluster: found staging, expected prod, the name of this cluster" in start("-e", "confirm_cluster=staging", *arguments).stdout
    assert "confirm_cluster: found no name, expected prod" in start("-e", "confirm_cluster=", *arguments).stdout
    assert start("-e", "confirm_cluster=prod", *arguments).returncode == 0

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The jobs that health expects are those that site.yml installs."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
import yaml
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._health.jobs import GROUPS, TOPOLOGIES, jobs_of

ROOT = pathlib.Path(__file__).parents[5]
TOPOLOGY = re.compile(r"cluster_topology == '(\w+)'")


def _roles(play: dict[str, t.Any]) -> t.Iterator[tuple[str, str | None]]:
    """Return the roles of a play, each with the topology that it is limited to."""
    for role in play.get("roles", []):
        yield role, None
    for task in play.get("tasks", []):
        for action in ("ansible.builtin.include_role", "ansible.builtin.import_role"):
            limited = TOPOLOGY.fullmatch(task.get("when", ""))
            if action in task and "tasks_from" not in task[action]:
                yield task[action]["name"], limited and limited[1]


def _jobs(role: str) -> set[str]:
    """Return the names of the jobs that a role defines."""
    path = ROOT / "roles" / role.rpartition(".")[2] / "vars/main.yml"
    variables = yaml.safe_load(path.read_text()) if path.exists() else {}
    return {value["name"] for name, value in variables.items() if name.startswith("__") and name.endswith("_job")}


@pytest.mark.parametrize("topology", ["proxy", "iaas_lb", "cf_routing"])
def test_the_jobs_of_a_group_are_those_that_site_installs(topology):
    found: dict[str, set[str]] = {group: set() for group in GROUPS}
    for play in yaml.safe_load((ROOT / "playbooks/site.yml").read_text()):
        for role, limited in _roles(play):
            for group in set(re.findall(r"\w+", play["hosts"])) & set(GROUPS) if limited in (None, topology) else ():
                found[group] |= _jobs(role)
    assert found == {group: set(jobs_of(group, topology)) for group in GROUPS}


def test_groups_without_jobs_have_none():
    assert jobs_of("director", "cf_routing") == ()
    assert jobs_of("worker", "cf_routing") == jobs_of("worker", "proxy")
    assert set(TOPOLOGIES) == {"cf_routing"}

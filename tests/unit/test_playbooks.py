# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every playbook checks how it was started, and does not depend on the operator's settings of Ansible."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import typing as t

import pytest
import yaml
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.contract import Contract

ROOT = pathlib.Path(__file__).parents[2]
GROUPS = ("etcd", "master", "worker", "proxy")
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
START = {
    "name": "Check how the playbook was started",
    "cfcr.kubernetes.preflight": {"scope": "start"},
    "run_once": True,
    "tags": "always",
}
# Hosts that nothing reaches.
INVENTORY = {
    "all": {
        "vars": {"cluster_api_host": "api.example.com", "ansible_ssh_timeout": 1},
        "children": {
            **{group: {"hosts": {f"{group}-0": {"ansible_host": f"192.0.2.{number}"}}} for number, group in enumerate(GROUPS, 1)},
            "ignored": {"hosts": {"proxy-0": {}}},
        },
    }
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
    (tmp_path / "hosts.yml").write_text(json.dumps(INVENTORY))
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
    done = start("--tags", "kubernetes", "import.yml")
    assert "Check how the playbook was started" in done.stdout
    assert "--tags: found" not in done.stdout


def test_a_playbook_compares_the_name_of_the_cluster_that_somebody_typed(start):
    """A survey of AWX asks for it before dangerous playbooks."""
    arguments = ("-i", "etcd-0,", "-e", '{"cluster_name": "prod", "ansible_connection": "local"}', "local.yml")
    assert "confirm_cluster: found staging, expected prod, the name of this cluster" in start("-e", "confirm_cluster=staging", *arguments).stdout
    assert "confirm_cluster: found no name, expected prod" in start("-e", "confirm_cluster=", *arguments).stdout
    assert start("-e", "confirm_cluster=prod", *arguments).returncode == 0


@pytest.mark.parametrize("path", PLAYBOOKS, ids=[path.stem for path in PLAYBOOKS])
def test_a_play_of_every_playbook_fails_without_a_host(path):
    """Ansible skips plays without hosts, and ends with 0."""
    assert any("lookup('cfcr.kubernetes.play_hosts'" in play["hosts"] for play in plays(path)[: 3 if path.stem == "site" else 1])


@pytest.mark.parametrize(("playbook", "limit"), [("backup_store", "worker"), ("provision", "etcd"), ("repair", "worker-0"), ("site", "proxy-0")])
def test_a_limit_without_a_host_of_the_playbook_is_no_success(start, playbook, limit):
    done = start("--limit", limit, f"cfcr.kubernetes.{playbook}")
    assert done.returncode != 0
    assert f"--limit: found {limit}, which leaves nothing to do" in " ".join((done.stdout + done.stderr).split())


def test_an_inventory_without_hosts_is_no_success(start, tmp_path):
    (tmp_path / "hosts.yml").write_text("all: {vars: {cluster_api_host: api.example.com}}")
    done = start("cfcr.kubernetes.health")
    assert done.returncode != 0
    assert "inventory: found no host of etcd:master" in " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("playbook", ["site", "destroy", "backup_store"])
def test_a_job_of_awx_without_a_place_for_its_store_is_refused(start, playbook):
    done = start("-e", "awx_job_id=7", f"cfcr.kubernetes.{playbook}")
    assert done.returncode != 0
    assert "credential store: found /var/lib/cfcr/cfcr in the container of AWX job 7" in " ".join(done.stdout.split())
    assert done.stdout.count("TASK") == 1


ANSWERS = re.compile(r"\bvars_prompt\b|\bbuiltin\.pause\b|\bpause:")
BESIDE_THE_PLAYBOOK = re.compile(r"\b(inventory_dir|inventory_file|playbook_dir)\b|lookup\('(ansible\.builtin\.)?env', 'HOME'")
SOURCES = sorted(
    path for part in ("playbooks", "roles") for kind in ("yml", "j2") for path in (ROOT / part).rglob(f"*.{kind}") if "argument_specs" not in path.name
)


def test_site_refuses_a_job_of_awx_if_a_limit_leaves_out_its_first_play(start):
    done = start("-e", "awx_job_id=7", "--limit", "worker", "cfcr.kubernetes.site")
    assert done.returncode != 0
    assert "credential store: found /var/lib/cfcr/cfcr in the container of AWX job 7" in " ".join(done.stdout.split())


def test_facts_of_an_earlier_job_are_not_believed(start, tmp_path):
    """A job template of AWX with use_fact_cache begins with the facts of the one before."""
    (tmp_path / "empty.cfg").write_text("[defaults]\nfact_caching = ansible.builtin.jsonfile\nfact_caching_connection = cache\n")
    earlier = {"ansible.builtin.set_fact": {"cfcr_host": {"cgroup_driver": "stale"}, "cacheable": True}}
    (tmp_path / "earlier.yml").write_text(json.dumps([{"hosts": "worker", "gather_facts": False, "tasks": [earlier]}]))
    assert start("earlier.yml").returncode == 0
    show = {"ansible.builtin.debug": {"msg": "found {{ ansible_facts }}"}}
    ask = {"cfcr.kubernetes.host_facts": {"on_failure": "report"}}
    (tmp_path / "facts.yml").write_text(json.dumps([{"hosts": "worker", "gather_facts": False, "tasks": [show, ask, show]}]))
    done = start("facts.yml")
    before, after = re.findall(r"found .*", done.stdout)
    assert "'cgroup_driver': 'stale'" in before
    assert "cgroup_driver" not in after and "unreachable: " in after


# They know of removed hosts from the health report, have a plan of their own, or only need a host to delegate from.
WITHOUT_THE_RECORD = {"health", "instances", "logs", "remove", "repair"} | {"backup_store", "backup_timer", "kubeconfig", "repair_timer", "restore_store"}


def test_playbooks_leave_out_hosts_that_have_left_the_cluster():
    """A host that was removed is in the inventory until somebody takes it out."""
    known = [{"name": "cfcr.kubernetes.remove", "tasks_from": "known.yml"}]
    found = set()
    for path in PLAYBOOKS:
        over = [play for play in plays(path) if re.search(r"'(etcd|master|worker|proxy)\b", play["hosts"])]
        first = next(iter(over), {"tasks": []})
        roles = [task["ansible.builtin.import_role"] for task in first.get("tasks", []) if "ansible.builtin.import_role" in task]
        if over and roles != known:
            found.add(path.stem)
    assert found == WITHOUT_THE_RECORD


def test_leases_are_deleted_while_all_members_run():
    """A flanneld whose member leaves learns of no deleted lease for 150 seconds, and site.yml restarts it before."""
    text = (ROOT / "playbooks/remove.yml").read_text(encoding="utf-8")
    assert re.findall(r"tasks_from: (stop|leftovers|members)\.yml", text) == ["stop", "leftovers", "members"]


def test_plays_end_by_host():
    """end_play looks for the hosts of the play's pattern. It ends nobody if all of them are in group ignored meanwhile.

    The batches of an update have names of hosts as pattern, and must not begin one after the other when the update ends.
    """
    assert [path for path in SOURCES if re.search(r"meta: end_play\b", path.read_text(encoding="utf-8"))] == [ROOT / "roles/update/tasks/batch.yml"]


def test_no_playbook_asks():
    assert not [path for path in SOURCES if ANSWERS.search(path.read_text(encoding="utf-8"))]


def test_no_playbook_depends_on_the_place_of_inventory_or_playbook():
    """AWX has the inventory in its database, and removes the playbook's directory after the job."""
    assert not [path for path in SOURCES if BESIDE_THE_PLAYBOOK.search(path.read_text(encoding="utf-8"))]


def _tasks(value: t.Any) -> t.Iterator[dict[str, t.Any]]:
    """Return all tasks below plays, blocks and lists of tasks."""
    if isinstance(value, list):
        for entry in value:
            yield from _tasks(entry)
    elif isinstance(value, dict):
        yield value
        for part in ("pre_tasks", "tasks", "post_tasks", "handlers", "block", "rescue", "always"):
            yield from _tasks(value.get(part, []))


def test_no_task_on_the_controller_writes_to_a_relative_path():
    """A job starts in a copy of the project, which AWX removes."""
    found = []
    for path in SOURCES:
        if path.suffix != ".yml" or not {"tasks", "playbooks", "handlers"} & set(path.parts):
            continue
        for task in _tasks(yaml.load(path.read_text(encoding="utf-8"), Loader=Loader)):
            for module, options in task.items():
                if isinstance(options, dict) and task.get("delegate_to") == "localhost":
                    found += [(path, dest) for key in ("dest", "path") if (dest := options.get(key)) and not re.match(r"[/{]", str(dest))]
    assert not found


class Loader(yaml.SafeLoader):
    """Reads YAML with the tags of Ansible."""


Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None)


# When these run, each host has facts already.
AFTER_FACTS = ["Use the versions of the cluster", "Reissue older certificates"]


def test_facts_that_are_set_once_belong_to_localhost():
    """As the first facts of the hosts of a play, they make ansible-core 2.21 give all of them the facts of one: github.com/ansible/ansible/issues/87415.

    Files of variables do that too, and they are for the hosts: each host loads its own.
    """
    tasks = [(path, task) for path in (ROOT / "roles").glob("*/tasks/**/*.yml") for task in _tasks(yaml.safe_load(path.read_text(encoding="utf-8")))]
    included = [task["ansible.builtin.include_role"] for _path, task in tasks if "ansible.builtin.include_role" in task]
    once = {ROOT / "roles" / its["name"].rpartition(".")[2] / "tasks" / its["tasks_from"] for its in included if its.get("apply", {}).get("run_once")}
    assert once
    setting = [(path, task) for path, task in tasks if "ansible.builtin.set_fact" in task and (task.get("run_once") or path in once)]
    wrong = [task["name"] for _path, task in setting if not (task.get("delegate_to") == "localhost" and task.get("delegate_facts"))]
    assert sorted(set(wrong)) == sorted(AFTER_FACTS)

    loading = [(path, task) for path, task in tasks if "ansible.builtin.include_vars" in task]
    assert [task["name"] for path, task in loading if task.get("run_once", path in once)] == []


def test_a_restore_stops_the_cluster_right_before_etcd():
    """After the handlers of the play that prepares the hosts, which needs no data, and over the same hosts."""
    plays = yaml.safe_load((ROOT / "playbooks/site.yml").read_text())
    number = next(number for number, play in enumerate(plays) if play["name"] == "Run etcd")
    (stop,) = plays[number - 1]["post_tasks"]
    assert stop["ansible.builtin.include_role"] == {"name": "cfcr.kubernetes.restore", "tasks_from": "stop.yml"}
    assert "'etcd:master:worker:proxy:!ignored'" in plays[number - 1]["hosts"]


def test_site_forgets_what_an_interrupted_update_would_go_back_to():
    """At its end, and without a task for hosts if no update is interrupted."""
    tasks = yaml.safe_load((ROOT / "playbooks/site.yml").read_text())[-1]["tasks"]
    assert tasks[0]["ansible.builtin.import_role"] == {"name": "cfcr.kubernetes.preflight", "tasks_from": "end.yml"}
    (forget,) = yaml.safe_load((ROOT / "roles/preflight/tasks/end.yml").read_text())
    assert forget["cfcr.kubernetes.host_rollback"] == {"state": "absent"} and "updating" in forget["when"]


def test_playbooks_that_put_hosts_into_group_ignored_run_site_without_any():
    """They leave out hosts that need nothing, which may be all."""
    for name in ("repair", "restore", "rotate", "update"):
        plays = yaml.safe_load((ROOT / f"playbooks/{name}.yml").read_text())
        imports = [play for play in plays if "site.yml" in play.get("ansible.builtin.import_playbook", "")]
        assert imports and all(play["vars"]["site_needs"] == ["etcd:master:worker:proxy"] for play in imports)

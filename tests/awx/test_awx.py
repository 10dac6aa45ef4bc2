# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playbook awx with the real modules of awx.awx, against a stand-in for the API of AWX."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import typing as t

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/standins")]

from _http import serving
from awx import Awx, playbooks

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nnot a key\n-----END OPENSSH PRIVATE KEY-----\n"
SECRETS = {"CFCR_SSH_KEY": KEY, "CFCR_STORE_PASSPHRASE": "a passphrase for the store", "CFCR_BACKUP_PASSPHRASE": "a passphrase for backups"}
NAME = "prod"


class Run(t.NamedTuple):
    """The end of a run of ansible-playbook."""

    status: int
    output: str

    @property
    def changed(self) -> list[str]:
        """Return the objects that tasks changed: task, and label of the item."""
        found, task = [], ""
        for line in self.output.splitlines():
            if match := re.match(r"TASK \[(?:cfcr\.kubernetes\.)?(?:awx : )?(.+?)\]", line):
                task = match[1]
            elif match := re.match(r"changed: \[localhost\](?: => \(item=(.*)\))?", line):
                found.append(f"{task}: {match[1]}" if match[1] else task)
        return found


class World(t.NamedTuple):
    """An AWX, a project, and runs of the playbook."""

    awx: Awx
    address: str
    project: pathlib.Path
    directory: pathlib.Path

    def ansible(self, *words: str, secrets: bool = True, token: str = "", **variables: t.Any) -> Run:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "CONTROLLER_", "TOWER_", "CFCR_"))}
        login = {"CONTROLLER_OAUTH_TOKEN": token} if token else {"CONTROLLER_USERNAME": "admin", "CONTROLLER_PASSWORD": "secret"}
        environment = {**own, **login, "CONTROLLER_HOST": self.address, **(SECRETS if secrets else {})}
        environment |= {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "NO_COLOR": "1"}
        environment |= {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_PIPELINING": "true"}
        command = [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), "-i", str(self.directory / "hosts.yml"), *words]
        done = subprocess.run(
            [*command, "-e", json.dumps(variables)], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        assert not [value for value in SECRETS.values() if value.splitlines()[-1] in done.stdout or value in done.stdout]
        return Run(done.returncode, done.stdout)

    def run(self, *words: str, **variables: t.Any) -> Run:
        """Run the playbook, and check that it leaves no token but that of the user."""
        own = self.awx.objects["tokens"].copy()
        given = {"awx_project_url": f"file://{self.project}", "awx_inventory_path": "inventories/example/hosts.yml", **variables}
        done = self.ansible("playbooks/awx.yml", *words, **given)
        assert self.awx.objects["tokens"] == own
        return done


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> t.Iterator[World]:
    directory = tmp_path_factory.mktemp("awx")
    project = directory / "project"
    for name in ("playbooks", "inventories", "roles"):
        shutil.copytree(ROOT / name, project / name)
    (directory / "hosts.yml").write_text(f"all: {{vars: {{cluster_name: {NAME}}}}}")
    awx = Awx()
    # Objects of others, more than a page of them.
    other = awx.add("organizations", {"name": "other"})
    for number in range(60):
        awx.add("teams", {"name": f"team {number}", "organization": other["id"]})
        awx.add("labels", {"name": f"label {number}", "organization": other["id"]})
    with serving(awx.handler()) as address:
        yield World(awx, address, project, directory)


def content(awx: Awx) -> str:
    """Return all objects, as text that can be compared. Each update of a project and each token has a new number."""
    passing = ("tokens", "project_updates", "jobs")
    kept = {path: objects for path, objects in awx.objects.items() if path not in passing}
    linked = {str(key): its for key, its in awx.linked.items() if its}
    return json.dumps([kept, linked, awx.surveys, {str(key): its for key, its in awx.actors.items() if its}], sort_keys=True, indent=1)


def lists() -> dict[str, list[dict[str, t.Any]]]:
    """Return the lists of the collection, without their templates."""
    loader = type("Loader", (yaml.SafeLoader,), {})
    loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))
    found: dict[str, list[dict[str, t.Any]]] = {}
    for path in sorted((ROOT / "awx").glob("*.yml")):
        found |= yaml.load(path.read_text(encoding="utf-8"), loader)
    return found


def test_check_mode_on_an_empty_awx_lists_what_would_be_created(world):
    before = content(world.awx)
    done = world.run("--check", "--diff")
    assert done.status == 0, done.output
    types = ("organization prod", "credential type cfcr passphrases", "job template prod site", "workflow prod change")
    for name in (*types, "schedule prod repair every 5 minutes"):
        assert name in done.output
    assert content(world.awx) == before


def test_a_new_credential_without_its_secret_is_refused_before_anything_changes(world):
    before = content(world.awx)
    done = world.run(secrets=False)
    assert done.status != 0
    assert "credential prod hosts: inputs.ssh_key_data: found no value, expected the secret, which a new credential needs" in done.output
    assert content(world.awx) == before


def test_the_first_run_creates_everything(world):
    done = world.run(awx_environment_image="registry.example.com/cfcr:1", awx_notification_url="https://chat.example.com/hook")
    assert done.status == 0, done.output
    awx = world.awx
    templates = {entry["name"].replace("{{ awx_name }}", NAME) for entry in lists()["job_templates"]}
    assert set(awx.names("job_templates")) == templates
    galaxy = awx.linked["organizations", awx.named("organizations", NAME)["id"], "galaxy_credentials"]
    assert galaxy == [awx.named("credentials", "Ansible Galaxy")["id"]]
    site = awx.named("job_templates", "prod site")
    assert (site["job_slice_count"], site["use_fact_cache"], site["allow_simultaneous"], site["ask_variables_on_launch"]) == (1, False, False, False)
    assert site["execution_environment"] == awx.named("execution_environments", "prod environment")["id"]
    linked = awx.linked["job_templates", site["id"], "credentials"]
    assert sorted(awx.objects["credentials"][number]["name"] for number in linked) == ["prod hosts", "prod passphrases"]
    assert awx.named("job_templates", "prod check")["job_type"] == "check"
    assert awx.named("job_templates", "prod check")["diff_mode"]
    assert awx.linked["job_templates", site["id"], "notification_templates_error"] == [awx.named("notification_templates", "prod webhook")["id"]]
    source = awx.named("inventory_sources", "prod inventory source")
    assert (source["source"], source["source_path"], source["update_on_launch"]) == ("scm", "inventories/example/hosts.yml", True)


def test_secrets_are_kept_encrypted(world):
    inputs = {name: world.awx.named("credentials", name)["inputs"] for name in ("prod hosts", "prod passphrases")}
    assert inputs["prod hosts"] == {"username": "root", "ssh_key_data": "$encrypted$"}
    assert set(world.awx.secrets.values()) == set(SECRETS.values())
    injectors = world.awx.named("credential_types", "cfcr passphrases")["injectors"]
    assert injectors["extra_vars"]["cluster_store_passphrase"] == "{{ store_passphrase }}"


@pytest.mark.parametrize(
    ("name", "order"),
    [("change", ["backup", "check", "approval", "site", "smoke tests", "health"]),
     ("version change", ["backup", "update plan", "approval", "update", "smoke tests", "health"])],
)  # fmt: skip
def test_workflows_ask_for_an_approval(world, name, order):
    awx = world.awx
    workflow = awx.named("workflow_job_templates", f"prod {name}")["id"]
    nodes = {node["id"]: node for node in awx.objects["workflow_job_template_nodes"].values() if node["workflow_job_template"] == workflow}
    following = {node["identifier"]: [nodes[one]["identifier"] for one in awx.linked.get(("workflow_job_template_nodes", number, "success_nodes"), [])]
                 for number, node in nodes.items()}  # fmt: skip
    assert following == dict(zip(order, [*([after] for after in order[1:]), []]))
    kinds = {node["identifier"]: awx.path_of(node["unified_job_template"]) for node in nodes.values()}
    assert kinds["approval"] == "workflow_approval_templates"
    assert set(kinds.values()) == {"job_templates", "workflow_approval_templates"}


def test_teams_may_look_repair_or_destroy(world):
    entries = [entry for kind in ("job_templates", "workflows") for entry in lists()[kind]]
    by_access = {level: {entry["name"].replace("{{ awx_name }}", NAME) for entry in entries if entry["access"] == level}
                 for level in ("look", "repair", "destroy")}  # fmt: skip
    assert by_access["destroy"] >= {"prod destroy", "prod store restore", "prod rotate", "prod kubeconfig"}
    granted = {team: set(world.awx.granted(f"prod {team}", "execute")) for team in ("viewers", "operators", "administrators")}
    assert granted["viewers"] == by_access["look"]
    assert granted["operators"] == by_access["look"] | by_access["repair"]
    assert granted["administrators"] == by_access["look"] | by_access["repair"] | by_access["destroy"]
    assert set(world.awx.granted("prod viewers", "read")) == granted["administrators"]
    approvers = [world.awx.granted(f"prod {team}", "approval") for team in ("viewers", "operators", "administrators")]
    assert approvers == [[], [], ["prod change", "prod version change"]]


def test_a_second_run_changes_nothing_and_needs_no_secrets(world):
    before = content(world.awx)
    token = world.awx.add("tokens", {"token": "of-the-user"})
    wanted = {"awx_environment_image": "registry.example.com/cfcr:1", "awx_notification_url": "https://chat.example.com/hook"}
    done = world.run(secrets=False, token="of-the-user", **wanted)
    world.awx.remove("tokens", token["id"])
    assert done.status == 0, done.output
    assert done.changed == []
    assert content(world.awx) == before
    assert "[WARNING]" not in done.output


def test_surveys_are_answered_within_their_limits(world):
    """A launch goes through awx.awx.job_launch."""

    def launch(template: str, **answers: t.Any) -> Run:
        play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [
            {"name": "Launch", "awx.awx.job_launch": {"job_template": template, **({"extra_vars": answers} if answers else {})}}]}]  # fmt: skip
        path = world.directory / "launch.yml"
        path.write_text(json.dumps(play))
        return world.ansible(str(path))

    def refusal(template: str, **answers: t.Any) -> str:
        done = launch(template, **answers)
        assert done.status != 0
        return " ".join(done.output.split())  # Ansible wraps long lines

    assert "destroy_cluster'' value missing" in refusal("prod destroy")
    user = {"kubeconfig_user": "a", "kubeconfig_groups": "b", "kubeconfig_path": "/a"}
    assert "must be no more than 365" in refusal("prod kubeconfig", **user, kubeconfig_days=366)
    assert "does not allow for it to be overridden" in refusal("prod site", iaas_provision=True)
    assert not world.awx.objects["jobs"]
    assert launch("prod rotate", confirm_cluster=NAME, rotate=["etcd"], lock_override=True).status == 0
    (job,) = world.awx.objects["jobs"].values()
    assert json.loads(job["extra_vars"]) == {"confirm_cluster": NAME, "rotate": ["etcd"], "rotate_until": "drop"}  # and ignored lock_override
    world.awx.objects["tokens"].clear()


def test_a_later_list_adds_changes_and_removes_single_entries(world):
    """New playbooks are an entry each, and a place in the workflow. A new revision of the project is fetched first."""
    extra = world.directory / "lists"
    extra.mkdir()
    shutil.copy(world.project / "playbooks/health.yml", world.project / "playbooks/scan.yml")
    changes = {
        "job_templates": [
            {"name": "{{ awx_name }} scan", "description": "Scan", "playbook": "playbooks/scan.yml", "access": "repair", "timeout": 60},
            {"name": "{{ awx_name }} provision", "state": "absent"},
            {"name": "{{ awx_name }} instances", "access": "repair"},
        ],
        "workflows": [{"name": "{{ awx_name }} change", "nodes": [
            {"name": "check", "template": "{{ awx_name }} check"}, {"name": "scan", "template": "{{ awx_name }} scan"}]}],
    }  # fmt: skip
    (extra / "ours.yml").write_text(json.dumps(changes))
    wanted = {"awx_environment_image": "registry.example.com/cfcr:1", "awx_lists": [str(extra)]}
    expected = world.run("--check", secrets=False, **wanted)
    assert "job template prod scan" in expected.output, expected.output
    done = world.run(secrets=False, **wanted)
    assert done.status == 0, done.output
    awx = world.awx
    assert "prod scan" in awx.names("job_templates")
    assert "prod provision" not in awx.names("job_templates")
    assert "prod webhook" not in awx.names("notification_templates")
    workflow = awx.named("workflow_job_templates", "prod change")["id"]
    nodes = [node for node in awx.objects["workflow_job_template_nodes"].values() if node["workflow_job_template"] == workflow]
    assert sorted(node["identifier"] for node in nodes) == ["check", "scan"]
    assert "prod instances" not in awx.granted("prod viewers", "execute")


def test_what_is_wrong_in_a_list_is_refused(world):
    wrong = world.directory / "wrong"
    wrong.mkdir()
    (wrong / "lists.yml").write_text(json.dumps({"job_template": [], "schedules": [{"name": "x", "template": "nothing", "rrule": "x"}]}))
    before = content(world.awx)
    done = world.run(awx_lists=[str(wrong)])
    assert done.status != 0
    told = " ".join(done.output.split())
    assert "job_template: found an unknown list" in told, done.output
    assert "schedule x: template: found nothing, expected the name of a job template or a workflow" in told
    assert content(world.awx) == before


def test_absent_removes_what_is_ours_and_nothing_else(world):
    awx = world.awx
    absent = {"awx_state": "absent", "awx_lists": [str(world.directory / "lists")]}
    ours = awx.named("organizations", NAME)
    awx.add("projects", {"name": "theirs", "organization": ours["id"], "scm_type": "git", "scm_url": "x"})
    kind = awx.named("credential_types", "cfcr kubeconfig")["id"]
    awx.add("credentials", {"name": "theirs", "organization": awx.named("organizations", "other")["id"], "credential_type": kind})
    awx.named("teams", "prod viewers")["description"] = "From LDAP"
    before = content(world.awx)
    planned = world.run("--check", secrets=False, **absent)
    assert planned.status == 0, planned.output
    assert content(world.awx) == before
    done = world.run(secrets=False, **absent)
    assert done.status == 0, done.output
    assert done.changed == planned.changed
    others = ("users", "tokens", "jobs", "project_updates", "workflow_job_template_nodes")
    left = {path: [name for name in awx.names(path) if not re.fullmatch(r"(team|label) \d+", name)] for path in awx.objects if path not in others}
    assert left.pop("organizations") == ["Default", "other", "prod"]
    assert left.pop("teams") == ["prod viewers"]
    assert left.pop("projects") == ["theirs"]
    assert left.pop("credentials") == ["Ansible Galaxy", "theirs"]
    assert "cfcr kubeconfig" in left.pop("credential_types")
    assert left.pop("execution_environments") == ["Control Plane Execution Environment"]
    assert not any(left.values()), left
    assert "organization prod" in done.output
    assert len([name for name in awx.names("teams") if name.startswith("team ")]) == 60

    # Without the objects of others, the organization goes as well. Then nothing is left to do.
    awx.remove("projects", awx.named("projects", "theirs")["id"])
    awx.remove("teams", awx.named("teams", "prod viewers")["id"])
    awx.remove("credentials", awx.named("credentials", "theirs")["id"])
    assert world.run(secrets=False, **absent).changed == ["Remove the credential types: cfcr kubeconfig", "Remove the organization: prod"]
    assert world.run(secrets=False, **absent).changed == []


def test_playbooks_are_found_as_awx_finds_them(tmp_path):
    for name, text in {
        "a.yml": "- hosts: all", "b.yaml": "x:\n      hosts: {}", "c.yml": "- import_playbook: a.yml", "d.yml": '- "hosts": all', "e.txt": "- hosts: all",
        "tasks/f.yml": "- hosts: all", ".x/g.yml": "- hosts: all", "h/group_vars/i.yml": "hosts: 1", "h/j.yml": "- include: a.yml", "k.yml": "- tasks: []",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert playbooks(tmp_path) == ["a.yml", "b.yaml", "c.yml", "h/j.yml"]

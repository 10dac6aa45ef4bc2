# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The flow of playbook update on hosts that do nothing: its roles and the actions that touch hosts are replaced, the store is real."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
import yaml
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.local import LocalBackend
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.updates import reached
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog.catalog import load, record
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._update.plan import COMPONENTS

ROOT = pathlib.Path(__file__).parents[2]
HOSTS = {"etcd": ["etcd-0"], "master": ["master-0", "master-1"], "worker": ["worker-0", "worker-1"]}
ADDRESSES = {name: f"10.0.0.{number}" for number, name in enumerate((name for names in HOSTS.values() for name in names), 1)}
# Roles that change hosts, and roles with the results that the playbook needs.
CHANGING = ("dns", "firewall", "etcd", "flannel", "master", "containerd", "worker", "kube_proxy", "proxy", "cf_routing")
ACTIONS = (
    "cluster_lock", "credential", "etcd_downgrade", "host_facts", "host_packages", "host_reboot", "host_rollback", "host_watch", "job",
    "kubernetes_cluster_info", "kubernetes_obstacles_info", "node_drain", "preflight", "podman_hosts", "release_download", "unit_stop",
)  # fmt: skip
ACTION = """
import json, os, pathlib, time
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        name, host = self._task.action.rpartition(".")[2], task_vars["inventory_hostname"]
        host = self._task.delegate_to if self._task.delegate_to in task_vars["groups"]["all"] else host
        world = json.loads(pathlib.Path(os.environ["WORLD"]).read_text())
        args = self._task.args
        kept = ("state", "name", "owner", "credentials", "unresponsive", "version", "lease")
        seen = {"action": name, "host": host, "at": time.monotonic(), **{key: args[key] for key in kept if key in args}}
        if name == "job":
            release = task_vars["cluster_release"]
            version = self._templar.template(release)
            seen |= {"role": self._task._role.get_name().rpartition(".")[2], "version": version["kubernetes"]}
            seen |= {"emulated": self._templar.template(task_vars["master_emulated_version"])}
        with open(os.environ["SEEN"], "a") as stream:
            stream.write(json.dumps(seen) + "\\n")
        answer = world.get(f"{name} {host}", {})
        if not self._task.check_mode:
            answer |= answer.pop("after", {})
        if answer.get("state", args.get("state")) != args.get("state"):
            answer = {}
        if (until := answer.pop("until", "")) and until in pathlib.Path(os.environ["SEEN"]).read_text():
            answer = {}
        time.sleep(answer.pop("takes", 0))
        api = {"endpoint": {"problem": None}, "refusal": None, "nodes": {task_vars["cluster_host_address"]: {"ready": True}}}
        nothing = {"problem": None, "apis": [], "unasked": {}, "webhooks": [], "budgets": []}
        packages = {"packages": [], "reboot": ""}
        return {**super().run(tmp, task_vars), "changed": False, "problems": {}, "blocked": [], "storage": {}, **packages, **api, **nothing, **answer}
"""
JOB = [{"name": "Configure", "cfcr.kubernetes.job": {"name": "x"}, "changed_when": True, "notify": "Restart"}]
HANDLER = [{"name": "Restart", "cfcr.kubernetes.job": {"name": "x", "state": "restarted"}}]


def tree(path: pathlib.Path, files: dict[str, object]) -> None:
    """Write files, as they are or as YAML."""
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(content if isinstance(content, str) else yaml.safe_dump(content))


def links(path: pathlib.Path, origin: pathlib.Path, but: set[str]) -> None:
    path.mkdir(parents=True)
    for entry in origin.iterdir():
        if entry.name not in but and entry.name not in (".git", "collections", ".venv", ".local"):
            (path / entry.name).symlink_to(entry)


@pytest.fixture(scope="module")
def collections(tmp_path_factory):
    """Return a collections path with our collection, without what touches hosts."""
    top = tmp_path_factory.mktemp("collections")
    ours = top / "ansible_collections/cfcr/kubernetes"
    links(ours, ROOT, {"roles", "plugins", "playbooks", "site.yml"})
    links(ours / "plugins", ROOT / "plugins", {"action"})
    links(ours / "plugins/action", ROOT / "plugins/action", {f"{name}.py" for name in ACTIONS})
    links(ours / "roles", ROOT / "roles", {*CHANGING, "preflight", "health", "director", "iaas", "lock", "release"})
    links(ours / "playbooks", ROOT / "playbooks", {"site.yml"})
    renewal = {"name": "Renew", "cfcr.kubernetes.cluster_lock": {"state": "renewed", "lease": "{{ lock_lease }}"}, "run_once": True}
    fact = {"name": "Set", "ansible.builtin.set_fact": {"cluster_release": "{{ recorded }}"}}
    tree(ours, {f"plugins/action/{name}.py": ACTION for name in ACTIONS})
    for role in CHANGING:
        tree(ours / "roles" / role, {"tasks/main.yml": JOB, "handlers/main.yml": HANDLER, "defaults/main.yml": {"master_emulated_version": ""}})
    tree(ours / "roles", {
        "preflight/tasks/inventory.yml": [], "preflight/tasks/hosts.yml": [fact],
        "health/tasks/main.yml": [], "director/tasks/main.yml": [], "release/tasks/main.yml": [], "release/tasks/bundle.yml": [],
        "lock/tasks/main.yml": [], "lock/tasks/renew.yml": [renewal], "lock/tasks/release.yml": [], "lock/defaults/main.yml": {"lock_lease": 900},
    })  # fmt: skip
    options = {"state": "{{ etcd_downgrade_state | default('enabled') }}", "version": "{{ etcd_downgrade_version }}"}
    downgrade = {"name": "Downgrade", "cfcr.kubernetes.etcd_downgrade": options, "register": "etcd_downgrade", "run_once": True}
    tree(ours / "roles/etcd", {"tasks/downgrade.yml": [downgrade]})
    machines = {"name": "Machines", "cfcr.kubernetes.podman_hosts": {"unresponsive": "{{ iaas_unresponsive }}"}}
    states = {"name": "States", "ansible.builtin.set_fact": {"iaas_states": "{{ machines }}"}, "delegate_to": "localhost", "delegate_facts": True}
    tree(ours / "roles/iaas/tasks", {"repair.yml": [machines], "states.yml": [states]})
    site = {"hosts": "etcd:master:worker:!ignored", "gather_facts": False, "tasks": [{"name": "Site", "cfcr.kubernetes.preflight": {"name": "site"}}]}
    tree(ours / "playbooks", {"site.yml": [site]})
    return top


@pytest.fixture
def update(collections, tmp_path):
    """Return a function that runs the playbook in a world, and returns what the hosts saw, and the output."""

    def run(world=None, now="1.35", fails=False, variables=None, hosts=None, arguments=()):
        catalog = load(now)
        versions, releases = record(catalog["versions"]), {name: its["version"] for name, its in catalog["components"].items()}
        row = {"state": "healthy", "error": None, "zone": ""}
        rows = {
            name: {**row, "group": group, "releases": {component: releases[component] for component in COMPONENTS[group]}}
            for group, names in HOSTS.items()
            for name in names
        }
        for name, its in (hosts or {}).items():
            rows[name] |= its
        shared = {
            "ansible_connection": "local", "ansible_python_interpreter": sys.executable, "cluster_kubernetes_version": "1.36", "recorded": versions,
            "cluster_store_directory": str(tmp_path / "store"),
            "health_report": {"hosts": rows, "cluster": {"nodes": (variables or {}).get("unready", {})}, "findings": []},
            "director_credentials": {"credentials": {"versions": {"now": versions, "former": {}}}}, "cluster_artifact_source": "upstream", **(variables or {}),
        }  # fmt: skip
        children = {group: {"hosts": {name: {"cluster_host_address": ADDRESSES[name]} for name in names}} for group, names in HOSTS.items()}
        (tmp_path / "hosts.json").write_text(json.dumps({"all": {"vars": shared, "children": children}}))
        (tmp_path / "world").write_text(json.dumps(world or {}))
        (tmp_path / "seen").write_text("")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        environment |= {"ANSIBLE_COLLECTIONS_PATH": str(collections), "WORLD": str(tmp_path / "world"), "SEEN": str(tmp_path / "seen")}
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.json", "cfcr.kubernetes.update", *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        output = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, output
        return [json.loads(line) for line in (tmp_path / "seen").read_text().splitlines()], output

    return run


def jobs(seen):
    """Return host, version and emulated version of each job, each once in a row."""
    found = [(its["host"], its["version"], its["emulated"]) for its in seen if its["action"] == "job"]
    return [its for number, its in enumerate(found) if not number or found[number - 1] != its]


def hosts_of(seen, action, **options):
    return [its["host"] for its in seen if its["action"] == action and options.items() <= its.items()]


MASTERS = [("master-0", "1.36.3", "1.35"), ("master-1", "1.36.3", "1.35"), ("master-0", "1.36.3", ""), ("master-1", "1.36.3", "")]
WORKERS = [("worker-0", "1.36.3", ""), ("worker-1", "1.36.3", "")]
# Only the workers are behind.
BEHIND = {name: {"releases": {**dict.fromkeys(COMPONENTS["worker"], "1.35.4")}} for name in HOSTS["worker"]}


def test_a_minor(update):
    seen, output = update()
    assert jobs(seen) == [("etcd-0", "1.36.3", ""), *MASTERS, *WORKERS]
    assert hosts_of(seen, "node_drain", state="drained") == ["worker-0", "worker-1"]
    assert hosts_of(seen, "credential") and hosts_of(seen, "preflight", name="site")
    assert not hosts_of(seen, "host_rollback", state="restored")
    assert "worker-1: host 2 of 2, step 4 of 4, workers: kubernetes 1.36.3" in output and "The update is complete" in output
    seen, output = update(now="1.36")
    assert "Nothing to update." in output and jobs(seen) == [] and not hosts_of(seen, "preflight", name="site")


def test_the_lock_is_renewed_before_what_may_take_longer_than_its_lease(update):
    seen, _output = update(now="1.36", hosts=BEHIND, variables={"update_max_in_flight": 2, "update_canaries": 0, "update_watch_time": "10-60"})
    steps = [(its["action"], its.get("lease")) for its in seen if its["action"] in ("release_download", "cluster_lock", "host_watch")]
    around = [("cluster_lock", 900), ("release_download", None), ("release_download", None), ("cluster_lock", 900)]
    batch = [("cluster_lock", 900 + 2 * 600), ("cluster_lock", 900), ("cluster_lock", 900 + 2 * 300), ("host_watch", None), ("host_watch", None)]
    assert steps == around + batch
    drained = {its["host"]: its["at"] for its in seen if its.get("state") == "drained"}
    leases = [its["at"] for its in seen if its["action"] == "cluster_lock"]
    assert set(drained) == {*HOSTS["worker"]} and all(leases[2] < at < leases[3] for at in drained.values())


MINOR_OF_ETCD = {"cluster_kubernetes_version": "1.37"}


def test_a_downgrade_of_etcd_that_was_given_up_is_cancelled_before_the_first_step(update):
    """Also if no member is behind, so that no step has etcd. On the way back, it is enabled for the first member."""
    new = {"etcd-0": {"releases": {"etcd": load("1.37")["components"]["etcd"]["version"]}}}
    seen, output = update(now="1.36", variables=MINOR_OF_ETCD, hosts=new)
    order = [(its["action"], its.get("state"), its.get("version")) for its in seen if its["action"] in ("etcd_downgrade", "job")]
    assert order[0] == ("etcd_downgrade", "cancelled", "3.7") and "The update is complete" in output
    assert hosts_of(seen, "etcd_downgrade") == ["etcd-0"]
    credentials = {"credentials": {"versions": {"now": record(load("1.37")["versions"]), "former": record(load("1.36")["versions"])}}}
    seen, _output = update(now="1.37", variables={"director_credentials": credentials}, arguments=["-e", "update_action=rollback"])
    assert [(its["state"], its["version"]) for its in seen if its["action"] == "etcd_downgrade"] == [("enabled", "3.6")]


@pytest.mark.parametrize(("stored", "goes_back"), [("3.7.0", False), ("3.6.0", True)])
def test_the_last_member_of_another_minor_of_etcd_does_not_go_back(update, tmp_path, stored, goes_back):
    """etcd panics with an older minor once all members have run the newer one. The next run goes on."""
    storage = {"state": "query", "storage": {"https://10.0.0.1:2379": stored}}
    saved = {"state": "saved", "releases": {"etcd": "3.6.16"}}
    world = {"host_watch etcd-0": {"problems": {"etcd": "is failed"}}, "etcd_downgrade etcd-0": storage, "host_rollback etcd-0": saved}
    seen, output = update(world, now="1.36", variables=MINOR_OF_ETCD, fails=True)
    output = " ".join(output.split())
    assert hosts_of(seen, "host_rollback", state="restored") == (["etcd-0"] if goes_back else [])
    assert ("etcd-0 failed, and keeps etcd 3.7.3: all members have run that minor" in output) is not goes_back
    assert ("These hosts are as before, but etcd-0 keeps its new etcd." in output) is not goes_back
    assert ("These hosts are as before. Run update again" in output) is goes_back and "The update is complete" not in output
    # Or playbook site would bring it the former version.
    assert list(reached(LocalBackend({"directory": str(tmp_path / "store"), "versions": 10}))) == ([] if goes_back else ["etcd-0"])


def test_check_mode_shows_the_plan_and_ends(update):
    seen, output = update(arguments=["--check"])
    assert "1. etcd: etcd 3.6.16" in output
    assert {its["action"] for its in seen} == {"preflight", "kubernetes_obstacles_info"}


def test_what_may_break_is_named_with_the_plan_and_what_is_certain_to_is_refused(update):
    hook = {"name": "policy/pods.example.com", "resources": ["pods"], "everything": True, "service": "policy/hook", "ready": True}
    _seen, output = update({"kubernetes_obstacles_info etcd-0": {"webhooks": [hook]}}, arguments=["--check"])
    assert "Warning: webhook policy/pods.example.com fails closed on all pods" in output
    seen, output = update({"kubernetes_obstacles_info etcd-0": {"webhooks": [{**hook, "ready": False}]}}, fails=True)
    assert "found no endpoint of its service policy/hook" in output and jobs(seen) == []


def test_a_canary_that_fails_goes_back_and_the_others_stay(update):
    world = {"job worker-0": {"failed": True, "msg": "kubelet does not start", "state": "restarted"}}
    seen, output = update(world, now="1.36", hosts=BEHIND, fails=True)
    assert jobs(seen) == [WORKERS[0]]
    assert hosts_of(seen, "host_rollback", state="restored") == ["worker-0"]
    assert hosts_of(seen, "node_drain", state="schedulable", name=ADDRESSES["worker-0"]) == ["worker-0"]
    assert not hosts_of(seen, "credential") and not hosts_of(seen, "preflight", name="site")
    assert "The update ends before worker-1: worker-0: Restart: kubelet does not start" in output
    seen, output = update(now="1.36", hosts=BEHIND)
    assert jobs(seen) == WORKERS and "The update is complete" in output


def test_a_host_that_does_not_stay_healthy_goes_back(update):
    seen, output = update({"host_watch worker-0": {"problems": {"kubelet": "is failed"}}}, now="1.36", hosts=BEHIND, fails=True)
    assert jobs(seen) == [WORKERS[0]] and hosts_of(seen, "host_rollback", state="restored") == ["worker-0"]
    assert "worker-0: Watch the host: kubelet: is failed" in output


def test_a_host_that_is_not_healthy_after_it_went_back_is_named_at_the_end(update):
    restored = {"problems": {"kubelet": "is failed"}, "state": "restored"}
    world = {"host_watch worker-0": {"problems": {"kubelet": "restarts"}}, "host_rollback worker-0": restored}
    output = " ".join(update(world, now="1.36", hosts=BEHIND, fails=True)[1].split())
    assert "worker-0: Watch the host: kubelet: restarts; it went back, and is not healthy: kubelet: is failed." in output
    assert "These hosts are as before, but not healthy: worker-0. Run update again" in output and "worker-0 failed and went back:" in output


def test_a_node_that_is_not_ready_fails_the_canary(update):
    """One that was not ready before the update does not count."""
    sick = {"nodes": {ADDRESSES["worker-0"]: {"ready": False}, ADDRESSES["worker-1"]: {"ready": False}}}
    variables = {"update_canary_watch_time": "0-0", "unready": {ADDRESSES["worker-1"]: {"ready": False}}}
    seen, output = update({"kubernetes_cluster_info worker-0": sick}, now="1.36", hosts=BEHIND, variables=variables, fails=True)
    assert jobs(seen) == [WORKERS[0]] and f"Check the API and the nodes: {ADDRESSES['worker-0']} is not ready" in output


def test_a_watch_time_that_would_watch_nothing_is_refused(update):
    seen, output = update(now="1.36", hosts=BEHIND, variables={"update_watch_time": "1m-5m"}, fails=True)
    assert "update_watch_time: found '1m-5m', expected seconds such as 10-300" in output and jobs(seen) == []


def test_an_api_that_refuses_the_health_user_fails_the_canary(update):
    """It tells of no node, so none is known to be ready."""
    refused = {"nodes": None, "refusal": "GET /api/v1/nodes: 403 Forbidden"}
    seen, output = update({"kubernetes_cluster_info worker-0": refused}, now="1.36", hosts=BEHIND, variables={"update_canary_watch_time": "0-0"}, fails=True)
    assert jobs(seen) == [WORKERS[0]] and "Check the API and the nodes: GET /api/v1/nodes: 403 Forbidden" in output


def test_a_worker_that_pods_block_is_as_before_and_the_others_go_on(update):
    blocked = {"failed": True, "msg": "the disruption budget web needs 2", "blocked": [{"pod": "web"}], "state": "drained"}
    seen, output = update({"node_drain worker-0": blocked}, now="1.36", hosts=BEHIND, fails=True)
    assert jobs(seen) == [WORKERS[1]] and not hosts_of(seen, "host_rollback", state="restored")
    assert "the disruption budget web needs 2. These hosts are as before." in output and not hosts_of(seen, "credential")
    assert jobs(update(now="1.36", hosts=BEHIND)[0]) == [WORKERS[0]]


def test_a_worker_whose_drain_pods_block_is_updated_without_one_by_the_next_run(update):
    """Other options than those of the plan are refused, because nothing would come of them."""
    blocked = {"failed": True, "msg": "no controller", "blocked": [{"pod": "bare"}], "state": "drained"}
    update({f"node_drain {name}": blocked for name in HOSTS["worker"]}, now="1.36", hosts=BEHIND, fails=True)
    seen, output = update(now="1.36", hosts=BEHIND, variables={"update_max_in_flight": 2}, fails=True)
    assert "update_max_in_flight: found 2, expected 10%, with which the update" in " ".join(output.split()) and not jobs(seen)
    seen, output = update(now="1.36", hosts=BEHIND, variables={"update_skip_drain": "worker-0, worker-0"})
    assert jobs(seen) == WORKERS and hosts_of(seen, "node_drain", state="drained") == ["worker-1"] and "The update is complete" in output


def released(seen):
    """Return the plans whose cordons are undone on all nodes."""
    return [its["owner"] for its in seen if its["action"] == "node_drain" and its["state"] == "schedulable" and "name" not in its]


def test_nodes_that_a_plan_has_cordoned_are_released_after_it_was_given_up(update):
    """Also if the API refuses that when the next plan begins, and that plan does not come to its end either."""
    fails = {"job worker-0": {"failed": True, "msg": "kubelet does not start", "state": "restarted"}}
    first = released(update(fails, now="1.36", hosts=BEHIND, fails=True)[0])
    assert len(set(first)) == 1
    refuses = {"node_drain etcd-0": {"failed": True, "msg": "500 failed calling webhook", "state": "schedulable"}}
    variables, replan = {"update_drain": "never"}, ["-e", "update_action=replan"]
    seen, output = update(refuses, now="1.36", hosts=BEHIND, variables=variables, arguments=replan, fails=True)
    assert jobs(seen) == WORKERS and "500 failed calling webhook" in output
    second = released(seen)
    assert second[:2] == second[2:] == [second[0], first[0]] and second[0] != first[0]
    seen, output = update(now="1.36", hosts=BEHIND, variables=variables)
    assert released(seen) == second and "The update is complete" in output


def test_an_update_is_resumed_while_the_api_is_away(update):
    """A run that was killed may have stopped the only proxy or master, and this one brings it back."""
    fails = {"job master-1": {"failed": True, "msg": "killed", "state": "restarted"}}
    update(fails, fails=True)
    seen, output = update({"kubernetes_obstacles_info etcd-0": {"problem": "no route to host"}})
    assert jobs(seen) == [*MASTERS[1:], *WORKERS] and "The update is complete" in output
    assert seen.index(next(its for its in seen if its["action"] == "node_drain")) > seen.index(next(its for its in seen if its["action"] == "job"))


def test_an_api_that_is_away_is_brought_back_by_masters_that_go_back_before_workers(update):
    """API servers of the new minor crash when one worker is done. Workers of the plan cannot be drained without them."""
    fails = {"job worker-1": {"failed": True, "msg": "the API does not answer", "state": "restarted"}}
    update(fails, fails=True)
    new = {name: its["version"] for name, its in load("1.36")["components"].items()}
    done = {name: {"releases": {its: new[its] for its in COMPONENTS[name.split("-")[0]]}} for name in ADDRESSES if name != "worker-1"}
    away = {"failed": True, "msg": "no route to host", "until": '"action": "job", "host": "master-0"'}
    nodes = {"endpoint": {"problem": "no route to host"}, "nodes": None, "until": away["until"]}
    world = {
        "kubernetes_obstacles_info etcd-0": {"problem": "no route to host"}, **{f"kubernetes_cluster_info {name}": nodes for name in ADDRESSES},
        **{f"node_drain {name}": away for name in ADDRESSES},
    }  # fmt: skip
    seen, output = update(world, hosts=done, variables={"unready": None}, arguments=["-e", "update_action=rollback"])
    assert [its[0] for its in jobs(seen)] == ["master-0", "master-1", "worker-0", "etcd-0"] and "The update is complete" in output
    assert hosts_of(seen, "node_drain", state="drained") == ["worker-0"]


def test_a_host_whose_drain_the_api_does_not_answer_does_not_wait_for_it_once_more(update):
    away = {"failed": True, "msg": "no route to host", "state": "drained"}
    seen, output = update({"node_drain worker-0": away}, now="1.36", hosts=BEHIND, fails=True)
    assert "worker-0: Drain the node: no route to host" in output and jobs(seen) == []
    assert not hosts_of(seen, "node_drain", state="schedulable", name=ADDRESSES["worker-0"]) and len(released(seen)) == 1


def test_a_worker_that_comes_back_during_an_update_needs_another_plan(update):
    """Otherwise site.yml would bring it to the new versions at the end, without a drain."""
    away = {"worker-1": {"state": "unreachable", "releases": None}}
    _seen, output = update(hosts=away, arguments=["-e", "update_until=masters"])
    assert "Left out: worker-1 does not answer" in output
    new = {name: its["version"] for name, its in load("1.36")["components"].items()}
    done = {name: {"releases": {its: new[its] for its in COMPONENTS[group]}} for group in ("etcd", "master") for name in HOSTS[group]}
    seen, output = update(hosts=done, fails=True)
    assert "found former versions on worker-1, expected hosts that the plan of the update has" in " ".join(output.split())
    assert not hosts_of(seen, "release_download") and not jobs(seen)
    seen, output = update(hosts=done, arguments=["-e", "update_action=replan"])
    assert jobs(seen) == WORKERS and hosts_of(seen, "node_drain", state="drained") == HOSTS["worker"] and "The update is complete" in output


def test_masters_soak(update):
    seen, output = update(variables={"update_soak_hours": 1})
    assert jobs(seen) == [("etcd-0", "1.36.3", ""), *MASTERS[:2]] and not hosts_of(seen, "credential")
    assert "The update ends before master-0: masters behave like the former minor until" in output and "Run update again after 20" in output
    assert jobs(update(variables={"update_soak_hours": 1})[0]) == []
    new = {name: its["version"] for name, its in load("1.36")["components"].items()}
    done = {name: {"releases": {its: new[its] for its in COMPONENTS[group]}} for group in ("etcd", "master") for name in HOSTS[group]}
    seen, output = update(variables={"update_soak_hours": 1}, hosts=done, arguments=["-e", "update_action=replan"])
    assert jobs(seen) == [] and "masters behave like the former minor until" in output, "another plan does not end it"
    assert jobs(update(variables={"update_soak_hours": 0.0001}, hosts=done)[0]) == [*MASTERS[2:], *WORKERS]


PROVIDER = {"iaas_provider": "local", "machines": dict.fromkeys(ADDRESSES, "running")}
RECREATE = ["-e", "update_recreate=worker"]
STEPS = ("unit_stop", "podman_hosts", "host_facts", "job", "host_watch")


def replaced(seen):
    """Return the lists of machines that were replaced."""
    return [its["unresponsive"] for its in seen if its["action"] == "podman_hosts"]


def test_workers_are_recreated_one_batch_at_a_time(update):
    seen, output = update(now="1.36", variables=PROVIDER, arguments=[*RECREATE, "--check"])
    assert "worker-0 (drained: recreation; recreated)" in output and not replaced(seen)
    seen, output = update(now="1.36", variables=PROVIDER, arguments=RECREATE)
    assert replaced(seen) == [["worker-0"], ["worker-1"]] and "The update is complete" in output
    assert order(seen, "worker-0", "node_drain", *STEPS)[:6] == ["node_drain", "node_drain", "unit_stop", "podman_hosts", "host_facts", "job"]
    assert hosts_of(seen, "node_drain", state="schedulable", name=ADDRESSES["worker-1"]) == ["worker-1"]


def test_a_recreated_master_is_a_backend_of_the_routers_again(update):
    variables = {**PROVIDER, "cluster_topology": "cf_routing"}
    seen, output = update(now="1.36", variables=variables, arguments=["-e", "update_recreate=master"])
    assert replaced(seen) == [["master-0"], ["master-1"]] and "The update is complete" in output
    assert set(hosts_of(seen, "job", role="cf_routing")) == {"master-0", "master-1"}
    last = max(its["at"] for its in seen if its["action"] == "job" and its["host"] == "master-0" and its["role"] == "cf_routing")
    assert last < min(its["at"] for its in seen if its["action"] == "podman_hosts" and its["unresponsive"] == ["master-1"])
    seen, _output = update(now="1.36", variables=PROVIDER, arguments=["-e", "update_recreate=master-0"])
    assert not hosts_of(seen, "job", role="cf_routing")


def test_hosts_of_others_are_not_recreated(update):
    seen, output = update(now="1.36", arguments=RECREATE, fails=True)
    assert "update_recreate: found hosts that role iaas has not created" in output and not replaced(seen)


def test_a_new_machine_that_fails_does_not_go_back_and_the_same_command_goes_on(update):
    world = {"job worker-0": {"failed": True, "msg": "kubelet does not start", "state": "restarted"}}
    seen, output = update(world, now="1.36", variables=PROVIDER, arguments=RECREATE, fails=True)
    assert replaced(seen) == [["worker-0"]] and not hosts_of(seen, "host_rollback", state="restored")
    assert "worker-0 failed, and its former disk is gone" in " ".join(output.split()) and "apart from recreated disks" in output
    seen, output = update(now="1.36", variables=PROVIDER, arguments=RECREATE)
    assert replaced(seen) == [["worker-0"], ["worker-1"]] and "The update is complete" in output


def test_only_workers_that_are_drained_are_recreated_and_the_others_of_their_batch_stay(update):
    blocked = {"failed": True, "msg": "the disruption budget web needs 2", "blocked": [{"pod": "web"}], "state": "drained"}
    seen, _output = update({"node_drain worker-0": blocked}, now="1.36", variables={**PROVIDER, **SEVERAL}, arguments=RECREATE, fails=True)
    assert replaced(seen) == [["worker-1"]] and [its[0] for its in jobs(seen)] == ["worker-1"]


def test_a_machine_that_a_killed_run_has_deleted_is_created_by_the_same_command(update):
    """The stand-in of the provider fails when it is to replace worker-0, as if the run ended there."""
    world = {"podman_hosts worker-0": {"failed": True, "msg": "killed"}}
    seen, output = update(world, now="1.36", variables=PROVIDER, arguments=RECREATE, fails=True)
    assert replaced(seen) == [["worker-0"]] and not jobs(seen) and "its former disk is gone" in " ".join(output.split())
    deleted = {**PROVIDER, "machines": {**PROVIDER["machines"], "worker-0": "absent"}}
    seen, output = update(now="1.36", variables=deleted, arguments=RECREATE)
    assert replaced(seen) == [["worker-0"], ["worker-0"], ["worker-1"]] and hosts_of(seen, "host_facts") == ["worker-0", "worker-0", "worker-1"]
    assert "The update is complete" in output


def test_all_hosts_of_a_batch_fail_with_its_machines(update):
    world = {"podman_hosts worker-0": {"failed": True, "msg": "no image"}}
    seen, output = update(world, now="1.36", variables={**PROVIDER, **SEVERAL}, arguments=RECREATE, fails=True)
    assert replaced(seen) == [["worker-0", "worker-1"]] and not jobs(seen) and not hosts_of(seen, "host_rollback", state="restored")
    assert "worker-1 failed, and its former disk is gone" in " ".join(output.split()) and "no image" in output


def test_a_master_is_not_recreated_while_the_other_one_is_not_healthy(update):
    world = {"host_watch master-1": {"problems": {"kube-apiserver": "is failed"}}}
    seen, output = update(world, now="1.36", variables=PROVIDER, arguments=["-e", "update_recreate=master-0"], fails=True)
    assert not replaced(seen) and not hosts_of(seen, "unit_stop") and "it was left alone" in output


KERNEL = {"packages": ["linux-image-6.1.0-41-amd64"], "reboot": ""}
PACKAGES = ["-e", "update_packages=true"]


def order(seen, host, *actions):
    """Return what a host saw of these actions, in its order."""
    return [its["action"] for its in seen if its["host"] == host and its["action"] in actions]


def test_packages_and_reboots(update):
    """Only hosts with newer packages change. Those that reboot are alone in their group, and workers are drained first."""
    asks = {"packages": ["libc6"], "reboot": "a package asks for it"}
    world = {"host_packages master-1": KERNEL | {"reboot": "kernel 6.1.0-41-amd64 is installed"}, "host_packages worker-0": asks}
    seen, output = update(world, now="1.36", arguments=[*PACKAGES, "--check"])
    assert "worker-0 (drained: reboot; 1 package; reboots: a package asks for it)" in output and not hosts_of(seen, "host_reboot")
    seen, output = update(world, now="1.36", arguments=PACKAGES)
    assert hosts_of(seen, "host_reboot") == ["master-1", "worker-0"] and "worker-1" not in hosts_of(seen, "release_download")
    assert order(seen, "worker-0", "host_packages", "node_drain", "host_reboot", "job")[1:5] == ["host_packages", "node_drain", "host_reboot", "job"]
    assert order(seen, "master-0", "host_watch") == ["host_watch"], "the other master is watched before master-1 reboots"
    assert [host for host, _version, _emulated in jobs(seen)] == ["master-1", "worker-0"]
    assert hosts_of(seen, "node_drain", state="schedulable", name=ADDRESSES["worker-0"]) == ["worker-0"]
    assert "The update is complete" in output


def test_a_master_does_not_reboot_while_the_other_one_is_not_healthy(update):
    world = {"host_packages master-1": KERNEL | {"reboot": "new kernel"}, "host_watch master-0": {"problems": {"kube-apiserver": "is failed"}}}
    seen, output = update(world, now="1.36", arguments=PACKAGES, fails=True)
    assert not hosts_of(seen, "host_reboot") and not jobs(seen)
    assert "kube-apiserver" in output and "it was left alone" in output and "its packages stay upgraded" in output


def test_a_worker_that_asks_for_a_reboot_only_after_its_packages_is_drained_too(update):
    world = {"host_packages worker-0": {"packages": ["dbus"], "after": {"reboot": "a package asks for it"}}}
    seen, _output = update(world, now="1.36", arguments=PACKAGES)
    assert order(seen, "worker-0", "node_drain", "host_reboot")[0:3] == ["node_drain", "host_reboot", "node_drain"]
    seen, _output = update(world, now="1.36", arguments=[*PACKAGES, "-e", "update_reboot=never"])
    assert not hosts_of(seen, "host_reboot") and not hosts_of(seen, "node_drain", state="drained") and jobs(seen)


def test_a_host_whose_repositories_do_not_answer_is_left_out(update):
    seen, output = update({"host_packages worker-0": {"failed": True, "msg": "apt-get: no route"}, "host_packages worker-1": KERNEL}, now="1.36",
                          arguments=PACKAGES, fails=True)  # fmt: skip
    assert "Left out: worker-0 has a problem that is named above" in output and [its[0] for its in jobs(seen)] == ["worker-1"]


def test_packages_of_a_bundle_are_refused(update):
    seen, output = update(now="1.36", variables={"cluster_artifact_source": "bundle"}, arguments=PACKAGES, fails=True)
    assert "update_packages: found cluster_artifact_source bundle, expected another one" in output and not hosts_of(seen, "host_packages")


SEVERAL = {"update_canaries": "0", "update_max_in_flight": "100%"}


def test_several_workers_are_drained_and_updated_at_a_time(update):
    seen, output = update({f"node_drain {name}": {"takes": 5, "state": "drained"} for name in HOSTS["worker"]}, now="1.36", hosts=BEHIND, variables=SEVERAL)
    drained = [its["at"] for its in seen if its["action"] == "node_drain" and its["state"] == "drained"]
    assert len(drained) == 2 and abs(drained[0] - drained[1]) < 5
    assert "worker-0, worker-1: hosts 1 to 2 of 2" in output and "The update is complete" in output


def test_workers_of_two_zones_are_not_updated_at_a_time(update):
    hosts = {name: {**its, "zone": name} for name, its in BEHIND.items()}
    seen, output = update(now="1.36", hosts=hosts, variables=SEVERAL)
    assert jobs(seen) == WORKERS and "worker-0: host 1 of 2" in output


def test_a_worker_that_fails_does_not_take_the_other_one_of_its_batch_with_it(update):
    world = {"job worker-0": {"failed": True, "msg": "kubelet does not start", "state": "restarted"}}
    seen, output = update(world, now="1.36", hosts=BEHIND, variables=SEVERAL, fails=True)
    assert hosts_of(seen, "host_rollback", state="restored") == ["worker-0"]
    assert "worker-0: Restart: kubelet does not start" in " ".join(output.split())
    assert jobs(update(now="1.36", hosts=BEHIND, variables=SEVERAL)[0]) == [WORKERS[0]]


def test_until_a_phase_and_on_and_back(update):
    seen, output = update(arguments=["-e", "update_until=emulation"])
    assert jobs(seen) == [("etcd-0", "1.36.3", ""), *MASTERS[:2]] and "run update again to resume it" in output
    _seen, output = update(arguments=["-e", "update_action=pause"])
    assert "The update ends after its batch." in output
    seen, _output = update(arguments=["-e", "update_until=masters"])
    assert jobs(seen) == MASTERS[2:]
    new = load("1.36")["components"]
    reached = {name: {"releases": {its: new[its]["version"] for its in COMPONENTS[group]}} for group in ("etcd", "master") for name in HOSTS[group]}
    seen, _output = update(arguments=["-e", "update_action=rollback"], hosts=reached)
    assert jobs(seen) == [("master-0", "1.35.4", ""), ("master-1", "1.35.4", ""), ("etcd-0", "1.35.4", "")]

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Both preflight actions, run by Ansible on inventories whose hosts must not or cannot be reached."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
import yaml
from _store import local_store
from ansible_collections.cfcr.kubernetes.plugins.action.preflight import _left_out, _name_servers
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup.progress import begin
from ansible_collections.cfcr.kubernetes.plugins.module_utils._credentials.authority_list import keep_authorities
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store import updates
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog.catalog import record, resolve

COLLECTIONS = pathlib.Path(__file__).parents[4] / "collections"
RIGHT = {
    "all": {
        "vars": {"ansible_python_interpreter": sys.executable, "cluster_api_host": "api.example.com"},
        "children": {
            "etcd": {"hosts": {"e0": {"ansible_host": "10.0.0.1"}}},
            "master": {"hosts": {"m0": {"ansible_host": "10.0.0.2"}}},
            "worker": {"hosts": {"w0": {"ansible_host": "10.0.0.3"}}},
            "proxy": {"hosts": {"p0": {"ansible_host": "10.0.0.4"}}},
        },
    }
}


@pytest.mark.parametrize(
    ("values", "servers", "pods_use_them"),
    [
        ({}, ["127.0.0.1", "10.0.0.2"], True),
        ({"dns_upstreams": ["10.0.0.9"]}, ["10.0.0.9"], True),
        ({"addons_resolvers": ["10.0.0.9"]}, ["127.0.0.1", "10.0.0.2"], False),
    ],
)
def test_name_servers_are_those_that_the_resolver_and_pods_will_use(values, servers, pods_use_them):
    facts = {"nameservers": ["127.0.0.2", "127.0.0.1", "10.0.0.2"]}
    assert _name_servers(facts, {"dns_address": "127.0.0.2", "dns_upstreams": [], **values}) == (servers, pods_use_them)
    assert _name_servers({"error": "unreachable"}, {"dns_address": "127.0.0.2", "dns_upstreams": []}) == ([], True)


def test_a_run_that_reaches_all_hosts_with_a_firewall_leaves_none_out():
    groups = {"etcd": ["e0"], "master": ["m0"], "worker": ["w0", "w1"], "director": ["boss"], "cloud_foundry": ["router"]}
    assert _left_out(groups, ["e0", "m0", "w0", "w1"]) == []
    assert _left_out(groups, ["w1"]) == ["e0", "m0", "w0"]
    assert _left_out({**groups, "ignored": ["e0", "m0", "w0"]}, ["w1"]) == []


@pytest.fixture
def play(tmp_path):
    """Return a function that runs a part of the role and returns the exit code and what each task said, by host."""

    def run(inventory, *arguments, tasks_from="inventory", **extra):
        (tmp_path / "hosts.json").write_text(json.dumps(inventory))
        role = {"name": "cfcr.kubernetes.preflight", "tasks_from": tasks_from}
        plays = [{"hosts": "all", "gather_facts": False, "tasks": [{"ansible.builtin.include_role": role}]}]
        (tmp_path / "play.yml").write_text(yaml.safe_dump(plays))
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_INJECT_FACT_VARS": "false",
        }
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.json", "-e", json.dumps(extra), *arguments, "play.yml"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        tasks = json.loads(done.stdout[done.stdout.index("{"):])["plays"][0]["tasks"]
        run.tasks = {task["task"]["name"].rpartition(" : ")[2]: task["hosts"] for task in tasks}
        return done.returncode, tasks[-1]["hosts"]

    return run


def test_right_inventory_passes_without_a_connection(play):
    assert play(RIGHT)[0] == 0  # its hosts do not exist


def test_all_problems_of_an_inventory_are_told_at_once_also_under_a_limit(play):
    code, hosts = play(
        RIGHT, "--limit", "w0",
        cluster_api_hots="x", cluster_api_port="many", cluster_pod_cidr="10.0.0.0/16", cluster_domain="{{ nothing }}.local",
    )  # fmt: skip
    assert code != 0
    (result,) = hosts.values()
    assert "unreachable" not in result
    told = [line.split(":")[0].strip() for line in result["msg"].splitlines()[1:]]
    assert told == ["cluster_api_hots", "cluster_api_port", "cluster_domain", "e0", "m0", "w0", "p0"]
    assert "'nothing' is undefined" in result["msg"]


@pytest.fixture
def local():
    """Return the right inventory on this machine, with one host that cannot be reached and one without Python."""
    inventory = json.loads(json.dumps(RIGHT))
    inventory["all"]["vars"]["ansible_connection"] = "local"
    inventory["all"]["children"]["worker"]["hosts"]["w0"] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.9", "ansible_port": 9}
    inventory["all"]["children"]["proxy"]["hosts"]["p0"] = {"ansible_python_interpreter": "/nowhere/python3"}
    return inventory


def test_all_problems_of_the_hosts_are_told_at_once(play, local):
    code, hosts = play(local, tasks_from="hosts", preflight_memory_mib={"etcd": 10**9})
    assert code != 0
    (result,) = hosts.values()
    lines = result["msg"].splitlines()
    assert any(line.startswith("  e0: found ") and line.endswith("expected 1000000000 MiB or more for etcd") for line in lines)
    assert any(line.startswith("  w0: found unreachable: ssh: connect to host 127.0.0.9 port 9") for line in lines)
    assert any(line.startswith("  p0: found /bin/sh: ") and "/nowhere/python3" in line for line in lines)


def test_hosts_beyond_the_limit_are_not_checked(play, local):
    code, hosts = play(local, "--limit", "w0", tasks_from="hosts")
    assert code != 0
    (result,) = hosts.values()
    assert [line.split(":")[0].strip() for line in result["msg"].splitlines()] == ["1 problem, and nothing was changed", "w0"]


def told(result):
    """Return the first word of each line, and the whole."""
    return [line.split(":")[0].strip() for line in result["msg"].splitlines()[1:]], result["msg"]


def test_director_that_cannot_be_reached_is_told_also_under_a_limit(play, local):
    director = {"hosts": {"boss": {"ansible_connection": "ssh", "ansible_host": "127.0.0.9", "ansible_port": 9}}}
    local["all"]["children"]["director"] = director
    code, hosts = play(local, "--limit", "w0", tasks_from="hosts")
    assert code != 0
    (result,) = hosts.values()
    names, message = told(result)
    assert names == ["boss", "w0"] and "found ssh: connect to host 127.0.0.9 port 9" in message.splitlines()[1]


def test_a_director_without_root_access_is_reported(play, local):
    local["all"]["children"]["director"] = {
        "hosts": {"boss": {"ansible_become": True, "ansible_become_method": "su", "ansible_become_user": "no-such-user"}}
    }
    code, hosts = play(local, "--limit", "w0", tasks_from="hosts")
    assert code != 0 and told(next(iter(hosts.values())))[0] == ["boss", "w0"]


def test_store_that_is_damaged_is_named(play, local, tmp_path):
    (tmp_path / "store/authorities").mkdir(parents=True)
    (tmp_path / "store/authorities/etcd.json").write_text("{")
    code, hosts = play(local, "--limit", "w0", tasks_from="hosts", cluster_store_directory=str(tmp_path / "store"))
    assert code != 0
    names, message = told(next(iter(hosts.values())))
    assert names == ["localhost", "w0"] and f"found {tmp_path}/store/authorities/etcd.json: damaged" in message


@pytest.fixture
def old_cluster(tmp_path):
    """Return the directory of the store of a cluster of Kubernetes 1.35."""
    store = local_store(tmp_path / "store")
    authorities = [{"name": "etcd", "common_name": "etcd", "days": 10, "key_type": "ecdsa-p256"}]
    keep_authorities(store, {"authorities": authorities}, check_mode=False)
    store.put("credentials/versions", {"type": "versions", "now": record(resolve("1.35")), "former": {}}, {}, 0)
    return str(tmp_path / "store")


def test_in_an_existing_cluster_a_host_with_a_problem_fails_alone(play, local, old_cluster):
    """One that lies, or is broken, must not keep the others from being configured."""
    options = {"cluster_store_directory": old_cluster, "cluster_kubernetes_version": "1.35.4", "preflight_memory_mib": {"etcd": 10**9}}
    code, _hosts = play(local, tasks_from="hosts", **options)
    assert code != 0
    assert not any(result.get("failed") for result in play.tasks["Check the hosts"].values())
    left_out = {host: result["msg"] for host, result in play.tasks["Fail hosts that have a problem"].items() if result.get("failed")}
    assert {host: {line.split(":")[0].strip() for line in told.splitlines()[1:]} for host, told in left_out.items()} == {host: {host} for host in left_out}
    assert "expected 1000000000 MiB or more" in left_out["e0"]
    assert "found unreachable: ssh" in left_out["w0"]
    assert "/nowhere/python3" in left_out["p0"]


def test_other_versions_stop_a_run_for_all_hosts(play, local, old_cluster):
    code, hosts = play(local, tasks_from="hosts", cluster_store_directory=old_cluster, cluster_kubernetes_version="1.36")
    assert code != 0
    (result,) = hosts.values()
    names, message = told(result)
    assert names[0] == "cluster_kubernetes_version" and "playbook update changes them" in message


def test_a_run_that_keeps_the_recorded_versions_learns_these(play, local, old_cluster):
    play(local, tasks_from="hosts", cluster_store_directory=old_cluster, cluster_kubernetes_version="1.36", preflight_versions="recorded")
    (checked,) = play.tasks["Check the hosts"].values()
    assert checked["versions"] == record(resolve("1.35")) and not checked["updating"]


@pytest.mark.parametrize(
    ("options", "stops"),
    [({"preflight_versions": "recorded"}, True), ({"preflight_versions": "recorded", "preflight_restores": True}, False), ({}, False)],
)
def test_a_restore_that_is_unfinished_stops_other_playbooks(play, local, old_cluster, tmp_path, options, stops):
    begin(local_store(tmp_path / "store").backend, "prod-20261129T010003Z.cfcr", 10, lost=False)
    play(local, tasks_from="hosts", cluster_store_directory=old_cluster, cluster_kubernetes_version="1.35.4", **options)
    (result,) = play.tasks["Check the hosts"].values()
    assert result.get("failed", False) == stops
    assert ("-e restore=prod-20261129T010003Z.cfcr" in result.get("msg", "")) == stops


@pytest.mark.parametrize(("versions", "right"), [("same", False), ("recorded", True), ("planned", True)])
def test_only_playbooks_may_set_the_release(play, versions, right):
    code, hosts = play(RIGHT, cluster_release="1.35", preflight_versions=versions)
    assert (code == 0) == right
    assert right or "cluster_release: found an unknown name" in str(hosts)


def test_hosts_keep_what_an_update_that_is_not_finished_has_given_them(play, local, old_cluster):
    """The store has only one member of etcd as done. A new one, which has nothing yet, gets the same versions."""
    old, new = (record(resolve(minor)) for minor in ("1.35", "1.36"))
    steps = [{"phase": "etcd", "group": "etcd", "versions": new, "emulated": "", "batches": [["e0"]]}]
    plan = {"id": "x", "from": old, "to": new, "rollback": False, "configuration": False, "packages": False, "recreate": [], "steps": steps, "left_out": {}}
    given = {"plan": plan, "replace": False, "step": 0, "hosts": ["e0"], "failed": {}, "blocked": {}}
    for state in ("begun", "done"):
        updates.operate(local_store(old_cluster).backend, {"state": state, **given}, check_mode=False)
    local["all"]["children"]["etcd"]["hosts"]["e1"] = {"ansible_host": "10.0.0.5"}
    play(local, tasks_from="hosts", cluster_store_directory=old_cluster, preflight_versions="recorded")
    (result,) = play.tasks["Check the hosts"].values()
    assert result["versions"] == old and result["kept"] == dict.fromkeys(("e0", "e1"), {"versions": new, "emulated": ""}), result
    assert result["updating"]

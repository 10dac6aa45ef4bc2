# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How playbook site stops a cluster whose data is restored, on hosts that are processes of this machine: in order, everywhere, or not at all."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
# It tells that every unit runs, and writes down what is stopped.
SYSTEMCTL = """#!/bin/sh
if [ "$1" = stop ]; then echo "$HOST_NAME $*" >> calls; fi
if [ "$1" = show ]; then for name in "$@"; do case $name in *.service) printf 'Id=%s\\nActiveState=active\\n\\n' "$name";; esac; done; fi
"""
PLAN = {"id": "prod-20261129T221500Z.cfcr", "manifest": {}, "progress": {"phase": "begun"}, "former": []}


@pytest.fixture
def site(tmp_path):
    """Return a function that runs the end of the play that prepares the hosts, and returns the output and the stops."""
    plays = yaml.safe_load((ROOT / "playbooks/site.yml").read_text())
    (post_tasks,) = [play["post_tasks"] for play in plays if play["name"] == "Prepare the hosts"]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOST_NAME": "{{ inventory_hostname }}"}
    fail = {"ansible.builtin.fail": {"msg": "broken"}, "when": "inventory_hostname == broken | default('')"}
    play = {
        "hosts": "etcd:master:worker:!ignored", "gather_facts": False, "strategy": "linear", "environment": environment, "tasks": [fail],
        "post_tasks": post_tasks,
    }  # fmt: skip
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    (tmp_path / "systemctl").write_text(SYSTEMCTL)
    (tmp_path / "systemctl").chmod(0o755)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}

    def run(*arguments, planned=True):
        groups = {
            group: {"hosts": {f"{group}-{number}": {"cluster_host_address": f"10.0.{index}.{number}"} for number in range(2)}}
            for index, group in enumerate(("etcd", "master", "worker"))
        }
        variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "cluster_name": "prod"}
        variables["cluster_store_directory"] = str(tmp_path / "store")
        inventory = {"all": {"vars": variables, "hosts": {"localhost": {"restore_plan": PLAN} if planned else {}}, "children": groups}}
        (tmp_path / "hosts.json").write_text(json.dumps(inventory))
        command = [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.json", "play.yml", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env={**clean, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")}, capture_output=True, text=True, check=False
        )
        calls = tmp_path / "calls"
        stops = [line.split() for line in calls.read_text().splitlines()] if calls.exists() else []
        return done.stdout + done.stderr, [(host, units) for host, _stop, *units in stops]

    return run


def test_etcd_stops_after_everything_else_has(site):
    output, stops = site()
    assert [units for _host, units in stops[6:]] == [["etcd.service"]] * 2, output
    assert {host for host, units in stops[:6] if "kube-apiserver.service" in units and "kubelet.service" in units} == {
        f"{group}-{number}" for group in ("etcd", "master", "worker") for number in range(2)
    }
    assert {host for host, _units in stops[6:]} == {"etcd-0", "etcd-1"}


def test_a_master_that_failed_before_stops_nothing(site):
    output, stops = site("-e", "broken=master-1")
    assert "master-1: found a problem or no answer, expected every host of etcd and every master to be stopped" in output and stops == []


def test_a_worker_that_failed_before_does_not_matter(site):
    _output, stops = site("-e", "broken=worker-1")
    assert len(stops) == 7


def test_without_a_restore_nothing_stops(site):
    output, stops = site(planned=False)
    assert stops == [] and "failed=0" in output

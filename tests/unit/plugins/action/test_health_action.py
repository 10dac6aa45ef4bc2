# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Role health, run by Ansible against this machine as a host, and against hosts that refuse connections, that hang and that are ignored."""

from __future__ import annotations

import json
import os
import pathlib
import socket
import subprocess
import sys

import pytest
import yaml

COLLECTIONS = pathlib.Path(__file__).parents[4] / "collections"
SSH = "-o ControlMaster=no -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes"


@pytest.fixture
def ports():
    """Return a port that nobody listens on, and one of a host that takes connections and says nothing."""
    with socket.socket() as refusing, socket.socket() as hanging:
        for listener in (refusing, hanging):
            listener.bind(("127.0.0.1", 0))
        hanging.listen(8)
        yield refusing.getsockname()[1], hanging.getsockname()[1]


@pytest.fixture
def report_on(tmp_path):
    """Return a function that gives the report on these groups of hosts."""

    def run(groups):
        variables = {
            "ansible_python_interpreter": sys.executable,
            "cluster_kubeconfig": f"{tmp_path}/kubeconfig",
            "cluster_health_kubeconfig": f"{tmp_path}/health.kubeconfig",
            "cluster_store_directory": f"{tmp_path}/store",
        }
        (tmp_path / "hosts.json").write_text(json.dumps({"all": {"vars": variables, "children": groups}}))
        save = {"content": "{{ health_report }}", "dest": f"{tmp_path}/report.json", "mode": "0600"}
        tasks = [
            {"ansible.builtin.include_role": {"name": "cfcr.kubernetes.health"}},
            {"ansible.builtin.copy": save, "run_once": True, "delegate_to": "localhost"},
        ]
        plays = [{"hosts": "master:worker:!ignored", "gather_facts": False, "tasks": tasks}]
        (tmp_path / "play.yml").write_text(yaml.safe_dump(plays))
        limits = {"health_connect_seconds": 2, "health_answer_seconds": 20, "health_confirm_seconds": 0.5}
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.json", "-e", json.dumps(limits), "play.yml"],
            cwd=tmp_path, env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return json.loads((tmp_path / "report.json").read_text())

    return run


def test_every_host_is_in_the_report_and_none_ends_the_run(report_on, ports):
    refusing, hanging = ({"ansible_host": "127.0.0.1", "ansible_port": port, "ansible_ssh_args": SSH} for port in ports)
    report = report_on(
        {
            "master": {"hosts": {"here": {"ansible_connection": "local", "cluster_zone": "{{ 'z' ~ 1 }}"}}},
            "worker": {"hosts": {"refusing": refusing, "hanging": hanging, "left-alone": {}}},
            "ignored": {"hosts": {"left-alone": {}}},
        }
    )
    hosts = report["hosts"]
    assert {name: host["state"] for name, host in hosts.items()} == {
        "here": "failing",  # it has none of a master's jobs
        "refusing": "unreachable",
        "hanging": "unreachable",
        "left-alone": "ignored",
    }
    assert hosts["here"]["zone"] == "z1"
    assert hosts["here"]["memory"]["total_mib"] > 0
    assert hosts["here"]["uptime"] >= 0
    findings = {(found["host"], found["kind"]): found["found"] for found in report["findings"]}
    assert set(findings) == {(None, "access"), ("here", "job"), ("refusing", "unreachable"), ("hanging", "unreachable")}
    assert "Connection refused (2 attempts)" in findings["refusing", "unreachable"]
    assert findings["hanging", "unreachable"].endswith("timed out (2 attempts)")
    assert "No such file" in findings[None, "access"]
    assert report["cluster"]["rotations"] == []
    assert report["text"].startswith("7 findings; hosts: 1 failing, 2 unreachable, 1 ignored, checked in ")


@pytest.mark.parametrize(
    ("director", "found"),
    [
        ({"ansible_host": "127.0.0.1", "ansible_ssh_args": SSH}, "Connection refused"),
        ({"ansible_connection": "local", "cluster_store_passphrase": "{{ lookup('ansible.builtin.file', '/nowhere') }}"}, "/nowhere"),
    ],
)
def test_an_unreadable_store_is_a_finding(report_on, ports, director, found):
    here = {"ansible_connection": "local", **{name: value for name, value in director.items() if name.startswith("cluster_")}}
    groups = {"master": {"hosts": {"here": here, "also-here": here}}, "director": {"hosts": {"director": {"ansible_port": ports[0], **director}}}}
    report = report_on(groups)
    assert {name: host["state"] for name, host in report["hosts"].items()} == {"here": "failing", "also-here": "failing"}
    (finding,) = [finding for finding in report["findings"] if finding["kind"] == "store"]
    assert found in finding["found"]


def test_a_job_without_the_store_has_no_finding_about_it(report_on):
    here = {"ansible_connection": "local", "health_read_store": False, "cluster_store_passphrase": "{{ lookup('ansible.builtin.file', '/nowhere') }}"}
    kinds = {finding["kind"] for finding in report_on({"master": {"hosts": {"here": here}}})["findings"]}
    assert "access" in kinds and "store" not in kinds

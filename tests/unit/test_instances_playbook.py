# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The places where playbook instances leaves its results."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
ROW = {"group": "etcd", "index": 0, "address": "10.0.0.1", "zone": None, "state": "unreachable", "node": None, "error": "no answer"}
REPORT = {
    "hosts": {"a": ROW},
    "cluster": {
        "endpoint": {"url": "https://10.0.0.9:8443", "problem": None, "seconds": 0.1},
        "etcd": {"voters": 1, "needed": 1, "asked": 1, "healthy": 1, "leader": "a"},
        "nodes": None, "authorities": [], "certificate": None, "rotations": {}, "versions": {},
    },
    "findings": [],
    "seconds": 1,
}  # fmt: skip


@pytest.fixture
def end(tmp_path):
    """Return a function that runs the tasks after the check of health, and returns the output."""
    (play,) = yaml.safe_load((ROOT / "playbooks/instances.yml").read_text())
    _start, _health, *rest = play["tasks"]
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "vars": play["vars"], "tasks": rest}]))
    variables = {
        "ansible_connection": "local", "ansible_python_interpreter": sys.executable, "health_report": REPORT, "cluster_name": "prod",
        "cluster_topology": "external",
        "cluster_director": "localhost",
        "health_certificate_expires_within_days": 30, "cluster_results_directory": str(tmp_path / "results"),
    }  # fmt: skip
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": {"a": {}, "b": {}}, "vars": variables}}))

    def run(*options):
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.json", "play.yml", *options], cwd=tmp_path, capture_output=True, text=True, check=False,
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "ANSIBLE_SHOW_CUSTOM_STATS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_a_shell_gets_a_table_and_no_file(end, tmp_path):
    assert "unreachable" in end()
    assert not (tmp_path / "results").exists()


def test_the_artifact_has_each_host_once(end):
    _before, stats = end().split("CUSTOM STATS:")
    artifact = json.loads(stats[stats.index("{") : stats.rindex("}") + 1])
    assert artifact["instances"]["hosts"] == {"a": {key: value for key, value in ROW.items() if key != "node"}}


def test_a_job_of_awx_writes_the_page_to_the_director(end, tmp_path):
    end("-e", "awx_job_id=7 cluster_director=b")
    assert "<html" in (tmp_path / "results/instances.html").read_text()


def test_a_job_of_awx_without_a_director_has_the_artifact_only(end, tmp_path):
    assert "CUSTOM STATS" in end("-e", "awx_job_id=7")
    assert not (tmp_path / "results").exists()


def test_a_target_gets_the_output(end, tmp_path):
    end("-e", f"target=b format=json output={tmp_path}/its.json")
    assert json.loads((tmp_path / "its.json").read_text())["hosts"]["a"]["state"] == "unreachable"

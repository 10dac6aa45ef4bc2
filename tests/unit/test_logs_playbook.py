# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The end of playbook logs, for different answers of hosts."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import stat
import subprocess
import sys
import tarfile

import pytest
import yaml
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host.log_package import pack

ROOT = pathlib.Path(__file__).parents[2]
HONEST = base64.b64encode(pack({"state/disks.txt": "full\n"}, 0)[0]).decode()


@pytest.fixture
def end(tmp_path):
    """Return a function that runs the tasks after the hosts' answers, and returns the exit code and the output."""
    (play,) = yaml.safe_load((ROOT / "playbooks/logs.yml").read_text())
    asks, *rest = play["tasks"]
    assert asks["register"] == "logs"
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "vars": play["vars"], "tasks": rest}]))

    def run(answers, *options):
        hosts = {name: {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "logs": logs} for name, logs in answers.items()}
        variables = {"cluster_name": "cfcr", "cluster_results_directory": str(tmp_path / "results")}
        (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": variables}}))
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.json", "play.yml", *options],
            cwd=tmp_path, env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    return run


def names(tmp_path):
    assert stat.S_IMODE((tmp_path / "cfcr-logs.tar.gz").stat().st_mode) == 0o600
    with tarfile.open(tmp_path / "cfcr-logs.tar.gz") as archive:
        return archive.getnames()


def test_hosts_that_do_not_answer_are_listed(end, tmp_path):
    code, output = end({"a": {"archive": HONEST}, "b": {"unreachable": True, "msg": "no route"}, "c": {"failed": True}})
    assert code == 0, output
    assert "1 files; hosts that did not answer: b: no route; c: unreachable; hosts whose archive was refused: none" in output
    assert names(tmp_path) == ["a/state/disks.txt"]


def test_a_refused_answer_fails_the_run_after_the_archive_is_written(end, tmp_path):
    code, output = end({"liar": {"archive": "%"}, "a": {"archive": HONEST}, "worse": {"archive": {"no": "text"}}})
    assert code != 0
    assert "1 files; hosts that did not answer: none; hosts whose archive was refused: liar, worse" in output
    assert "liar: found a text that is not base64; worse: found no text, expected base64." in " ".join(output.split())
    assert names(tmp_path) == ["a/state/disks.txt"]


def test_a_job_of_awx_leaves_the_archive_on_the_director(end, tmp_path):
    results = tmp_path / "results"
    code, output = end({"a": {"archive": HONEST}}, "-e", "awx_job_id=7 cluster_director=a")
    assert code == 0, output
    assert f"{results}/logs.tar.gz on a: 1 files" in output
    assert stat.S_IMODE((results / "logs.tar.gz").stat().st_mode) == 0o600
    with tarfile.open(results / "logs.tar.gz") as archive:
        assert archive.getnames() == ["a/state/disks.txt"]
    assert not list(tmp_path.glob("*.tar.gz"))


def test_a_target_gets_the_archive(end, tmp_path):
    code, output = end({"a": {"archive": HONEST}}, "-e", f"target=a output={tmp_path}/its.tar.gz")
    assert code == 0, output
    assert stat.S_IMODE((tmp_path / "its.tar.gz").stat().st_mode) == 0o600

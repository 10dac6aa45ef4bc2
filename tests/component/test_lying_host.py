# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts whose Python lies (tests/liar.py) and an honest host, with Ansible's default settings, which make variables of facts."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time

import pytest
from liar import CRASHES, TEXTS

TESTS = pathlib.Path(__file__).parents[1]
CERTIFICATES = ("names", "more", "twice", "fewer", "paths")
OTHERS = ("facts", "commands", "types", "numbers", "large", *TEXTS)
# For hosts that answer, all at once, on a busy machine; and for one that does not.
SECONDS, SILENT_SECONDS = 120, 15


class Site:
    """An honest host and one for each lie, all directories of this machine, and the store of their cluster."""

    def __init__(self, directory: pathlib.Path, *lies: str, seconds: int = SECONDS) -> None:
        self.directory, self.seconds = directory, seconds
        self.hosts = {"honest": {"ansible_python_interpreter": sys.executable}}
        for lie in lies:
            place = directory / lie
            place.mkdir()
            (place / "lie").write_text(lie)
            (place / "python").write_text(sys.executable)
            (place / "python3").write_text(f"#!{sys.executable}\n{(TESTS / 'liar.py').read_text()}")
            (place / "python3").chmod(0o755)
            self.hosts[lie] = {"ansible_python_interpreter": f"{place}/python3"}

    def play(self, *tasks: dict) -> tuple[int, dict[str, list[dict]]]:
        """Return the exit code and the results of the tasks, by host."""
        variables = {
            "ansible_connection": "local",
            "cluster_director": "localhost",
            "cluster_store": {"directory": f"{self.directory}/store"},
            "cluster_answer_seconds": self.seconds,
            "pki": "{{ '%s/' ~ inventory_hostname }}" % self.directory,
        }
        groups = {"worker": {"hosts": self.hosts}}
        (self.directory / "hosts.json").write_text(json.dumps({"all": {"vars": variables, "children": groups}}))
        (self.directory / "play.json").write_text(json.dumps([{"hosts": "worker", "gather_facts": False, "tasks": tasks}]))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_COLLECTIONS_PATH": str(TESTS.parent / "collections"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_FORKS": "20",
        }
        command = [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.json", "play.json"]
        with (self.directory / "output").open("w+", encoding="utf-8") as output, (self.directory / "errors").open("w") as errors:
            process = subprocess.Popen(command, cwd=self.directory, env=environment, stdout=output, stderr=errors)
            _pid, status, self.usage = os.wait4(process.pid, 0)
            output.seek(0)
            text = output.read()
        assert "{" in text, (self.directory / "errors").read_text()
        results: dict[str, list[dict]] = {host: [] for host in self.hosts}
        for task in json.loads(text[text.index("{"):])["plays"][0]["tasks"]:
            for host, result in task["hosts"].items():
                results[host].append(result)
        return os.waitstatus_to_exitcode(status), results


FACTS = {"cfcr.kubernetes.host_facts": {"ports": [], "disks": []}}
HEALTH = {"cfcr.kubernetes.host_health": {"on_failure": "report", "answer_seconds": SECONDS, "confirm_seconds": 0}}
AUTHORITY = {
    "cfcr.kubernetes.certificate_authority": {"store": "{{ cluster_store }}", "authorities": [{"name": "kubernetes"}, {"name": "etcd"}]},
    "run_once": True,
    "delegate_to": "localhost",
    "vars": {"ansible_python_interpreter": sys.executable},
}
ENTRY = {"path": "{{ pki }}/kubelet", "authority": "kubernetes", "common_name": "system:node:{{ inventory_hostname }}", "usages": ["client_auth"]}
CERTIFICATE = {"cfcr.kubernetes.certificate": {"certificates": [ENTRY, {**ENTRY, "path": "{{ pki }}/other"}]}}
VARIABLES = {"ansible.builtin.debug": {"msg": "{{ [cluster_director, hostvars.facts.cluster_host_address | default('none'), groups] | to_json }}"}}


@pytest.fixture(scope="module")
def lied_about_certificates(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("certificates"), *CERTIFICATES)
    return site, *site.play(AUTHORITY, CERTIFICATE)


@pytest.fixture(scope="module")
def lied(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("others"), *OTHERS, *CRASHES).play(HEALTH, FACTS, VARIABLES)


@pytest.mark.parametrize("lie", CERTIFICATES)
def test_only_certificates_that_the_controller_requests_are_signed(lied_about_certificates, lie):
    site, code, results = lied_about_certificates
    assert code == 2
    assert "no valid answer: certificates" in results[lie][-1]["msg"]
    assert list((site.directory / lie).rglob("*.crt")) == []


def test_the_honest_host_gets_its_certificates(lied_about_certificates):
    site, _code, results = lied_about_certificates
    assert results["honest"][-1]["changed"]
    assert {path.name for path in (site.directory / "honest").glob("*.crt")} == {"kubelet.crt", "other.crt"}


@pytest.mark.parametrize("lie", OTHERS)
def test_health_reports_a_lie(lied, lie):
    """An invalid answer does not end the scan of other hosts, and does not appear in the report."""
    _code, results = lied
    health = results[lie][0]["health"]
    assert set(health) <= {"error", "attempts", "invalid"}
    assert health["invalid"]
    assert len(health["error"]) < 1000


@pytest.mark.parametrize("lie", CRASHES)
def test_a_crashed_module_leaves_only_an_error(lied, lie):
    _code, results = lied
    health, facts = results[lie]
    assert set(health["health"]) == {"error", "attempts", "invalid"}
    assert health["health"]["error"].startswith("module failed: ")
    assert facts["failed"] and "ansible_facts" not in facts and "cfcr_host" not in facts
    assert facts["msg"].startswith("the module exited with code 1:")


@pytest.mark.parametrize("lie", OTHERS)
def test_a_host_with_an_invalid_answer_fails(lied, lie):
    code, results = lied
    assert code == 2
    _health, facts = results[lie]
    assert facts["failed"] and "ansible_facts" not in facts
    assert facts["msg"].startswith("no valid answer: ")


def test_the_honest_host_continues_with_unchanged_variables(lied):
    _code, results = lied
    health, facts, variables = results["honest"]
    assert health["health"]["memory"]["total_mib"] > 0
    assert facts["ansible_facts"]["cfcr_host"]["memory_mib"] > 0
    director, address, groups = json.loads(variables["msg"])
    assert (director, address, sorted(groups)) == ("localhost", "none", ["all", "ungrouped", "worker"])


@pytest.mark.parametrize(
    ("lie", "exit_code", "why"), [("silence", 4, f"no answer within {SILENT_SECONDS} seconds"), ("endless", 2, "more than 512 MiB of memory")]
)
def test_missing_and_endless_answers_are_ended(tmp_path, lie, exit_code, why):
    site, begin = Site(tmp_path, lie, seconds=SILENT_SECONDS), time.monotonic()
    code, results = site.play(FACTS)
    assert code == exit_code
    assert why in results[lie][0]["msg"]
    assert "ansible_facts" in results["honest"][0]
    assert time.monotonic() - begin < 3 * SILENT_SECONDS
    assert site.usage.ru_maxrss < 1200 * 1024, "a host costs the controller more memory than docs/security.md states"
    time.sleep(1)
    left = subprocess.run(["pgrep", "--full", f"{tmp_path}/{lie}/python3"], capture_output=True, text=True, check=False).stdout
    assert left == "", "the module still runs on the host"

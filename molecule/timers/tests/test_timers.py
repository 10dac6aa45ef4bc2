# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Timers of the director start backups and repairs by systemd, confined as their units say."""

from __future__ import annotations

import json

import pytest
from playbook import changes, succeed
from scenario import CLUSTER, DIRECTORY, ROOT, on, run, wait

DIRECTOR = "director-0"
HOME = "/opt/cfcr"
ANSIBLE = "/opt/ansible"
# This machine, which has created the hosts, is not the director's to ask.
PROVIDER = ["--extra-vars", "iaas_provider=external"]
BACKUP = {
    "backup_timer_program": f"{ANSIBLE}/bin/ansible-playbook", "backup_timer_directory": HOME, "backup_timer_inventory": f"{HOME}/inventory.yml",
    "backup_timer_arguments": ["--extra-vars", f"@{HOME}/backup.yml"], "backup_timer_calendar": "minutely",
}  # fmt: skip
REPAIR = {
    "director_repair_program": f"{ANSIBLE}/bin/ansible-playbook", "director_repair_directory": HOME, "director_repair_inventory": f"{HOME}/inventory.yml",
    "director_repair_arguments": PROVIDER,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def controller():
    """Install Ansible, the collection and the inventory on the director, as docs/repair.md says."""
    wheels = DIRECTORY / "wheels"
    requirements = ROOT / "packages/controller/requirements.txt"
    options = ["--quiet", "--require-hashes", "--only-binary=:all:", "--python-version=3.11", f"--dest={wheels}", f"--requirement={requirements}"]
    run("pip", "download", *options)
    run(ROOT / "roles/bundle/files/pack-collection", ROOT / ".venv/bin/python", ROOT, wheels)
    for file in ("inventory.yml", "ssh_config", "ssh_key", "known_hosts"):
        write(f"{HOME}/{file}", (DIRECTORY / file).read_text(encoding="utf-8").replace(str(DIRECTORY), HOME))
    write(f"{HOME}/ansible.cfg", f"[defaults]\ncollections_path = {HOME}/collections\n")
    run("podman", "cp", wheels, f"{CLUSTER}-{DIRECTOR}:{HOME}/wheels")
    run("podman", "cp", requirements, f"{CLUSTER}-{DIRECTOR}:{HOME}/wheels")
    on(DIRECTOR, "python3", "-I", "-m", "venv", ANSIBLE)
    on(DIRECTOR, f"{ANSIBLE}/bin/pip", "install", "--no-index", f"--find-links={HOME}/wheels", f"--requirement={HOME}/wheels/requirements.txt")
    install = f"{ANSIBLE}/bin/ansible-galaxy collection install --offline --collections-path {HOME}/collections {HOME}/wheels/cfcr-kubernetes-*.tar.gz"
    on(DIRECTOR, "sh", "-c", install)


def write(path: str, content: str) -> None:
    """Write a file on the director that only root can read."""
    on(DIRECTOR, "install", "-D", "--mode=0600", "/dev/stdin", path, input=content)


def configure(playbook: str, variables: dict) -> dict:
    """Run the playbook of a timer, and return what it has changed."""
    return changes(succeed(playbook, f"--extra-vars={json.dumps(variables)}").text)


def journal(unit: str) -> str:
    return on(DIRECTOR, "journalctl", f"--unit={unit}", "--output=cat")


def finished_runs(unit: str) -> int:
    """Return how many runs of a unit's playbook have ended, none of which may have failed."""
    text = journal(unit)
    assert "Failed with result" not in text and "fatal:" not in text, text
    return text.count("Finished ")


def test_a_timer_makes_backups():
    passphrase = "a passphrase of the tests"
    write(f"{HOME}/backup.yml", json.dumps({"backup_passphrase": passphrase, "backup_targets": [{"type": "directory", "path": "/var/backups/cfcr"}]}))
    on(DIRECTOR, "mkdir", "-p", "/var/backups/cfcr")
    unit = f"cfcr-backup-{CLUSTER}"
    assert configure("backup_timer.yml", BACKUP)
    assert configure("backup_timer.yml", BACKUP) == {}
    wait(lambda: finished_runs(f"{unit}.service") > 0, 180)
    text = journal(f"{unit}.service")
    assert "verified at directory /var/backups/cfcr" in " ".join(text.split()) and passphrase not in text
    assert f"{CLUSTER}-" in on(DIRECTOR, "ls", "/var/backups/cfcr")
    assert configure("backup_timer.yml", BACKUP | {"backup_timer_state": "absent"})
    assert unit not in on(DIRECTOR, "systemctl", "list-unit-files")


def test_a_timer_repairs():
    unit = f"cfcr-repair-{CLUSTER}"
    assert configure("repair_timer.yml", REPAIR)
    assert configure("repair_timer.yml", REPAIR) == {}
    on("worker-0", "systemctl", "stop", "kubelet")
    wait(lambda: on("worker-0", "sh", "-c", "systemctl is-active kubelet || true").strip() == "active", 180)
    seen = finished_runs(f"{unit}.service")
    wait(lambda: finished_runs(f"{unit}.service") > seen, 180)
    assert configure("repair_timer.yml", REPAIR | {"director_repair_state": "absent"})
    assert unit not in on(DIRECTOR, "systemctl", "list-unit-files")

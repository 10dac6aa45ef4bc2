# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups of a cluster with 1,000 objects."""

from __future__ import annotations

import json
import os
import pathlib
import re

import pytest
from playbook import Run
from scenario import CLUSTER, DIRECTORY, addresses, apply, host, kubectl

TARGET = DIRECTORY / "backups"
PASSPHRASE = "a passphrase of the tests"
OBJECTS = 1000
ETCD = [name for name in addresses() if name.startswith("etcd")]


@pytest.fixture(scope="module", autouse=True)
def objects():
    apply(*({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"many-{number}"}, "data": {"value": "x" * 500}} for number in range(OBJECTS)))
    apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "precious"}, "stringData": {"word": "from before"}})


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> list[str]:
    """Return the options of playbook backup. The passphrase is in a file, as documented."""
    TARGET.mkdir(exist_ok=True)
    file = tmp_path_factory.mktemp("backup") / "backup.json"
    variables = {
        "backup_passphrase": PASSPHRASE, "backup_targets": [{"type": "directory", "path": str(TARGET)}], "backup_directory": str(DIRECTORY / "backup-work"),
        "backup_keep": {"last": 1, "daily": 1, "weekly": 1},
    }  # fmt: skip
    file.touch(mode=0o600)
    file.write_text(json.dumps(variables), encoding="utf-8")
    return [f"--extra-vars=@{file}"]


def backup(options: list[str]) -> Run:
    done = Run("backup.yml", *options)
    assert done.end() == 0, done.text
    assert PASSPHRASE not in done.text
    return done


def backups() -> list[pathlib.Path]:
    return sorted(TARGET.glob("*.cfcr"))


def test_check_mode_makes_nothing(options):
    done = Run("backup.yml", "--check", *options)
    assert done.end() == 0, done.text
    assert backups() == []


def test_a_backup_is_verified_and_leaves_nothing_on_hosts(options, figures):
    done = backup(options)
    (made,) = backups()
    assert re.fullmatch(rf"{CLUSTER}-\d{{8}}T\d{{6}}Z\.cfcr", made.name) and (TARGET / f"{made.name}.json").exists()
    assert "failed=0" in done.text and f"verified at directory {TARGET}" in done.text
    for name in ETCD:
        assert host(name).check_output("ls -A /var/lib/cfcr-snapshots 2>/dev/null || true") == ""
        assert "scratch" not in host(name).check_output("ps -e -o args")
    assert list((DIRECTORY / "backup-work").iterdir()) == []
    figures("Backup", seconds=done.seconds, kib=os.path.getsize(made) >> 10)


def test_the_next_backup_replaces_the_first(options):
    (first,) = backups()
    backup(options)
    (second,) = backups()
    assert second.name > first.name and not (TARGET / f"{first.name}.json").exists()


def test_health_knows_the_newest_backup():
    done = Run("health.yml")
    assert done.end() == 0, done.text
    shown = Run("instances.yml")
    assert shown.end() == 0, shown.text
    assert re.search(rf"backup +{re.escape(backups()[0].name)}, .* verified at 1 target", shown.text), shown.text


def test_a_backup_needs_a_quorum_and_says_so(options):
    for name in ETCD[1:]:
        host(name).check_output("systemctl stop etcd")
    try:
        refused = Run("backup.yml", *options)
        assert refused.end() != 0
        assert "quorum" in refused.text
        assert len(backups()) == 1
    finally:
        for name in ETCD[1:]:
            host(name).check_output("systemctl start etcd")
    kubectl("get", "--raw=/readyz", "--request-timeout=60s")

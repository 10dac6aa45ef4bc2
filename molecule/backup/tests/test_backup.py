# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups of a cluster with CFCR_OBJECTS objects, by default 1,000."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import os
import re
import urllib.parse

import pytest
from playbook import Run
from scenario import CLUSTER, addresses, api_answers, host, kubeconfig, wait

OBJECTS = int(os.environ.get("CFCR_OBJECTS", "1000"))
CONNECTIONS = 8
ETCD = [name for name in addresses() if name.startswith("etcd")]


@pytest.fixture(scope="module", autouse=True)
def objects():
    """Create the objects on a few lasting connections: kubectl would need minutes for 100,000."""
    server, context = kubeconfig()

    def create(first: int) -> None:
        connection = http.client.HTTPSConnection(urllib.parse.urlsplit(server).netloc, timeout=60, context=context)
        for number in range(first, OBJECTS, CONNECTIONS):
            made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"many-{number}"}, "data": {"value": "x" * 500}}
            connection.request("POST", "/api/v1/namespaces/default/configmaps", json.dumps(made), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert answer.read() and answer.status == 201, answer.status

    with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(create, range(CONNECTIONS)))


def test_check_mode_makes_nothing(backups):
    backups.run("backup.yml", "--check")
    assert backups.files == [] and not backups.work.exists()


def test_a_backup_is_verified_and_leaves_nothing_on_hosts(backups, figures):
    done = backups.run("backup.yml")
    (made,) = backups.files
    assert re.fullmatch(rf"{CLUSTER}-\d{{8}}T\d{{6}}Z\.cfcr", made.name) and made.with_name(f"{made.name}.json").exists()
    assert f"verified at directory {backups.target}" in " ".join(done.text.split())
    for name in ETCD:
        assert host(name).check_output("ls -A /var/lib/cfcr-snapshots 2>/dev/null || true") == ""
        assert "scratch" not in host(name).check_output("ps -e -o args")
    assert list(backups.work.iterdir()) == []
    figures("Backup", objects=OBJECTS, seconds=done.seconds, kib=made.stat().st_size >> 10)


def test_the_next_backup_replaces_the_first(backups):
    (first,) = backups.files
    backups.run("backup.yml")
    (second,) = backups.files
    assert second.name > first.name and not first.with_name(f"{first.name}.json").exists()


def test_health_and_instances_know_the_newest_backup(backups):
    backups.run("health.yml")
    shown = backups.run("instances.yml").text
    assert re.search(rf"backup +{re.escape(backups.files[0].name)}, .* verified at 1 target", shown), shown


@pytest.mark.long
def test_an_update_begins_with_a_backup(backups):
    """A changed configuration goes through the same steps as another version."""
    (before,) = backups.files
    options = "--extra-vars=update_configuration=true update_watch_time=0-60 update_canary_watch_time=0-60"
    backups.run("update.yml", options, '--extra-vars={"worker_kubelet_flags": {"v": "1"}}')
    (after,) = backups.files
    assert after.name > before.name
    backups.run("update.yml", f"{options} update_backup=false")
    assert backups.files == [after]


@pytest.mark.long
def test_a_backup_needs_a_quorum_and_says_so(backups):
    for name in ETCD[1:]:
        host(name).check_output("systemctl stop etcd")
    try:
        refused = Run("backup.yml", *backups.options)
        assert refused.end() != 0
        assert "quorum" in refused.text
        assert len(backups.files) == 1
    finally:
        for name in ETCD[1:]:
            host(name).check_output("systemctl start etcd")
    wait(api_answers, 60)

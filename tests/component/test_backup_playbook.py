# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playbook backup against a real etcd: its role runs unchanged, on hosts that are processes of this machine."""

from __future__ import annotations

import json
import logging
import os
import pathlib
import subprocess
import sys

import boto3
import pytest
import yaml
from _moto import KEYS, moto_running, new_bucket
from _sshd import sshd_running
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup import status
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup.artifact import read_artifact
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.client import Etcd, to_bytes
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.local import LocalBackend
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.store import Store

ROOT = pathlib.Path(__file__).parents[2]
PASSPHRASE = "a long passphrase"


@pytest.fixture
def backup(etcd_cluster, tmp_path):
    """Return a function that runs the playbook, and returns its output."""
    store = Store(LocalBackend({"directory": str(tmp_path / "store"), "versions": 10}))
    store.put("credentials/etcd-root", {"type": "password"}, {"password": etcd_cluster.password}, 0)
    (tmp_path / "target").mkdir()
    *plays, play = yaml.safe_load((ROOT / "playbooks/backup.yml").read_text())
    tls = {name: value for name, value in etcd_cluster.connection().items() if name.endswith("_path")}
    # What the roles of a real cluster would have put into its usual place.
    play["module_defaults"] = {
        "cfcr.kubernetes.etcd_cluster_info": tls,
        "cfcr.kubernetes.etcd_snapshot": {**tls, "programs": str(etcd_cluster.programs), "account": "root", "directory": str(tmp_path / "snapshots")},
    }
    (tmp_path / "backup.yml").write_text(yaml.safe_dump([*plays, play]))
    variables = {
        "ansible_connection": "local", "ansible_python_interpreter": sys.executable, "cluster_name": "prod",
        "cluster_store_directory": str(tmp_path / "store"), "backup_directory": str(tmp_path / "work"),
        "backup_targets": [{"type": "directory", "path": str(tmp_path / "target")}],
    }  # fmt: skip
    hosts = {host.name: {"cluster_host_address": f"127.0.0.{number}"} for number, host in enumerate(etcd_cluster.hosts, 1)}
    # The first host of the play is unreachable.
    hosts = {"etcd-9": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1, "cluster_host_address": "127.0.0.9"}, **hosts}
    inventory = {"all": {"vars": variables, "children": {"etcd": {"hosts": hosts}}}}
    (tmp_path / "hosts.json").write_text(json.dumps(inventory))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment |= {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")}

    def run(*arguments, fails=False, **extra):
        given = {"backup_passphrase": PASSPHRASE, "cluster_etcd_endpoints": [host.client_url for host in etcd_cluster.hosts], **extra}
        (tmp_path / "extra.json").write_text(json.dumps(given))
        command = [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.json", "-e", "@extra.json", "backup.yml", "-vvv", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        output = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, output
        assert PASSPHRASE not in output and etcd_cluster.password not in output
        return output

    run.store, run.path = store, tmp_path
    return run


def found(run) -> list[str]:
    return sorted(path.name for path in (run.path / "target").iterdir())


def test_a_backup_of_a_follower(backup, etcd_cluster):
    """A host that is unreachable does not matter."""
    leader = etcd_cluster.info()["leader"]
    output = backup(fails=False)
    name, mark = found(backup)
    assert mark == f"{name}.json" and f"verified at directory {backup.path / 'target'}" in output
    manifest = read_artifact(str(backup.path / "target" / name), PASSPHRASE, "prod")
    assert manifest["etcd"]["leader"] is False and manifest["objects"] == {"precious": 1} and manifest["about"]["pod_cidr"] == "10.200.0.0/16"
    assert manifest["etcd"]["member"] != next(host.client_url for host in etcd_cluster.hosts if host.name == leader)
    assert status.read(backup.store.backend)["newest"]["id"] == name
    for left in ("work", "snapshots"):
        assert list((backup.path / left).iterdir()) == []
    assert etcd_cluster.info()["healthy"]


def test_a_bucket_with_object_lock(backup, caplog):
    """Old backups that are locked are named, and no request tries to remove them. A failure of retention would fail the run."""
    with moto_running() as moto:
        caplog.set_level(logging.INFO, "werkzeug")  # the requests to moto's server
        bucket = {**new_bucket(moto, "locked"), "lock_days": 3, "lock_mode": "COMPLIANCE"}
        options = {"backup_targets": [bucket], "backup_keep": {"last": 1, "daily": 0, "weekly": 0}}
        assert "because they are locked" not in backup(**options)
        client = boto3.client("s3", endpoint_url=moto, **KEYS)
        (first,) = (found["Key"] for found in client.list_objects_v2(Bucket="locked")["Contents"] if found["Key"].endswith(".cfcr"))
        output = " ".join(backup(**options).split())
        assert f"kept only because they are locked: {first.rpartition('/')[2]}" in output and bucket["secret_key"] not in output
        assert len(client.list_objects_v2(Bucket="locked")["Contents"]) == 4
        assert "DeleteMarkers" not in client.list_object_versions(Bucket="locked")
        assert "PUT /locked" in caplog.text and "DELETE /locked" not in caplog.text
        newest = status.read(backup.store.backend)["newest"]["id"]
        assert newest > first.rpartition("/")[2]


def test_a_director_that_is_another_host(backup, etcd_cluster, tmp_path):
    """Snapshots come in several pieces, over SSH."""
    etcd = Etcd({**etcd_cluster.connection(), "user": "root", "timeout": 30})
    for number in range(70):
        etcd.call("/v3/kv/put", {"key": to_bytes(f"/registry/configmaps/default/{number}"), "value": to_bytes(os.urandom(200_000).hex())})
    (tmp_path / "sshd").mkdir()
    with sshd_running(tmp_path / "sshd") as server:
        inventory = json.loads((tmp_path / "hosts.json").read_text())
        options = f"-F none -o UserKnownHostsFile={server.known_hosts} -o IdentitiesOnly=yes"
        director = {
            "ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": server.port, "ansible_ssh_private_key_file": str(server.key),
            "ansible_ssh_common_args": options, "cluster_host_address": "127.0.0.8",
        }  # fmt: skip
        inventory["all"]["children"]["director"] = {"hosts": {"director-0": director}}
        (tmp_path / "hosts.json").write_text(json.dumps(inventory))
        output = backup()
    assert "-> director-0" in output
    name, _mark = found(backup)
    manifest = read_artifact(str(backup.path / "target" / name), PASSPHRASE, "prod")
    assert manifest["etcd"]["size"] > 16 << 20 and manifest["objects"]["configmaps"] == 70
    assert list((backup.path / "work").iterdir()) == []


def test_check_mode_makes_nothing(backup):
    backup("--check")
    assert found(backup) == [] and not (backup.path / "work").exists() and not (backup.path / "snapshots").exists()


def test_bad_input_is_one_error_before_a_host_is_asked(backup):
    output = backup(fails=True, backup_targets=[{"type": "directory", "path": "/nowhere/at/all"}])
    assert "directory /nowhere/at/all: found no such directory" in output and "Get the state of etcd" not in output
    bucket = {"type": "s3", "endpoint": "http://127.0.0.1:1", "bucket": "b", "access_key": "AKIDEXAMPLE", "secret_key": "wJalrXUtnFEMIexample"}
    output = backup(fails=True, backup_targets=[bucket])
    assert "Could not connect to the endpoint URL" in output and "wJalrXUtnFEMIexample" not in output and "AKIDEXAMPLE" not in output


def test_a_failure_is_recorded(backup, etcd_cluster):
    for host in etcd_cluster.hosts[1:]:
        host.systemctl("stop")
    output = backup(fails=True)
    assert "etcd: found no quorum, expected one; repair the cluster before you back it up" in output
    recorded = status.read(backup.store.backend)
    assert "found no quorum" in recorded["problem"] and recorded["newest"] == {}
    assert found(backup) == [] and list((backup.path / "work").iterdir()) == []

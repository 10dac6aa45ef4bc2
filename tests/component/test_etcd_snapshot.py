# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots of a real etcd that a scratch etcd proves, and those that it refuses."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
import time
import zlib

import pytest
from _etcd import PASSWORD
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd import snapshot as etcd_snapshot
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.client import Etcd, to_bytes

ID = "prod-20261129T221500Z.cfcr"


@pytest.fixture
def options(etcd_cluster, tmp_path):
    return {
        "id": ID, "url": etcd_cluster.hosts[1].client_url, "directory": str(tmp_path / "snapshots"), "programs": str(etcd_cluster.programs),
        "account": "root", "verify_timeout": 60,
    }  # fmt: skip


@pytest.fixture
def snapshot(etcd_cluster, options):
    """Return the object behind the module, in this process."""
    return etcd_snapshot.Snapshot({**etcd_cluster.connection(), "user": "root", "former_passwords": [], **options})


def put(cluster, *keys: str) -> None:
    for key in keys:
        assert cluster.etcdctl("put", key, "value").returncode == 0


def running(directory) -> list[str]:
    return subprocess.run(["pgrep", "-f", str(directory)], capture_output=True, text=True, check=False).stdout.split()


def test_a_snapshot_is_restored_and_counted(etcd_cluster, options, tmp_path):
    put(etcd_cluster, "/registry/pods/default/a", "/registry/pods/default/b", "/registry/services/specs/default/a", "/registry/secrets/default/plain")
    secret = b"k8s:enc:secretbox:v1:key-2:" + os.urandom(60)
    # etcdctl takes no bytes, so these come by the gateway.
    etcd = Etcd({**etcd_cluster.connection(), "user": "root"})
    for name in ("x", "y"):
        etcd.call("/v3/kv/put", {"key": to_bytes(f"/registry/secrets/default/{name}"), "value": base64.b64encode(secret).decode()})
    host = etcd_cluster.hosts[1]
    answer = host.run("etcd_snapshot", **options)
    assert not answer.get("failed") and not answer["changed"], answer
    found = answer["snapshot"]
    assert found["objects"] == {"pods": 2, "precious": 1, "secrets": 3, "services/specs": 1}
    assert found["secrets"] == {"plain": 1, "secretbox:v1:key-2": 2}
    assert host.run("etcd_encryption_info")["encrypted"] == found["secrets"]
    assert found["samples"] == {"secretbox:v1:key-2": {"key": "/registry/secrets/default/x", "value": base64.b64encode(secret).decode()}}
    assert found["authentication"] and found["key_count"] == 7 and found["storage_version"].startswith("3.")
    assert found["cluster_id"] == etcd_cluster.info()["cluster_id"]
    status = json.loads(etcd_cluster.etcdctl("endpoint", "status", "--write-out=json").stdout)[0]["Status"]
    assert found["revision"] == status["header"]["revision"] and found["etcd_version"] == status["version"]

    path = tmp_path / "snapshots" / ID / "snapshot"
    content, offset = b"", 0
    while offset < found["size"]:
        piece = host.run("etcd_snapshot", phase="read", offset=offset, **options)["content"]
        content += zlib.decompress(base64.b64decode(piece))
        offset = len(content)
    assert content == path.read_bytes() and hashlib.sha256(content).hexdigest() == found["sha256"]
    assert running(path.parent) == []
    host.run("etcd_snapshot", phase="remove", **options)
    assert list((tmp_path / "snapshots").iterdir()) == []
    assert etcd_cluster.info()["healthy"]


def test_acknowledged_writes_are_in_the_snapshot(etcd_cluster, snapshot):
    """Others write meanwhile: the snapshot has at least what was there before it began."""
    for number in range(3):
        put(etcd_cluster, f"/registry/pods/default/{number}")
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            put(etcd_cluster, f"/registry/events/default/{number}")
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = snapshot.take()
    finally:
        stop.set()
        writer.join()
    assert found["objects"]["pods"] == 3
    snapshot.remove()


def test_a_damaged_or_truncated_snapshot_is_refused(snapshot, monkeypatch, tmp_path):
    messages = list(snapshot._etcd.messages(snapshot._url, "/v3/maintenance/snapshot"))
    blobs = [base64.b64decode(message["blob"]) for message in messages if message.get("blob")]
    whole = b"".join(blobs)
    for damaged in (whole[:-1], whole[:-512], whole[:4096], b"", whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:]):
        monkeypatch.setattr(snapshot._etcd, "messages", lambda *_args, damaged=damaged: iter([{"blob": base64.b64encode(damaged).decode()}]))
        with pytest.raises(HostError, match="cut off or damaged"):
            snapshot.take()
        assert list((tmp_path / "snapshots").iterdir()) == []
    foreign = os.urandom(4096)
    foreign += hashlib.sha256(foreign).digest()
    monkeypatch.setattr(snapshot._etcd, "messages", lambda *_args: iter([{"blob": base64.b64encode(foreign).decode()}]))
    with pytest.raises(HostError, match="etcdutl"):
        snapshot.take()
    assert list((tmp_path / "snapshots").iterdir()) == [] and running(tmp_path / "snapshots") == []


def test_a_snapshot_older_than_the_cluster_is_refused(etcd_cluster, snapshot, monkeypatch):
    """A member that lies, or that was left behind, sends an old one."""
    old = list(snapshot._etcd.messages(snapshot._url, "/v3/maintenance/snapshot"))
    put(etcd_cluster, "/registry/pods/default/new")
    monkeypatch.setattr(snapshot._etcd, "messages", lambda *_args: iter(old))
    with pytest.raises(HostError, match=r"found a snapshot of revision \d+, expected \d+ or more"):
        snapshot.take()


def test_members_that_differ_are_found(snapshot):
    found = snapshot.take()
    with pytest.raises(HostError, match="one of the members is damaged"):
        snapshot._compare(found["revision"], found["key_count"] + 1)
    snapshot._compare(found["revision"] + 100, found["key_count"] + 1)  # nobody can tell
    snapshot.remove()


def test_a_password_that_a_restore_would_refuse(etcd_cluster, options):
    """The living cluster may have a newer password than its snapshot."""
    taken = etcd_snapshot.Snapshot({**etcd_cluster.connection(), "user": "root", "former_passwords": [], **options})
    taken._etcd.call("/v3/maintenance/status")
    taken._params = {**taken._params, "password": "another password"}
    with pytest.raises(HostError, match="a restored cluster would refuse the password in the store"):
        taken.take()
    passwords = {"password": "the next password", "former_passwords": ["an older password", PASSWORD]}
    former = etcd_snapshot.Snapshot({**etcd_cluster.connection(), "user": "root", **options, **passwords})
    assert former.take()["authentication"]
    former.remove()


def test_the_scratch_etcd_runs_as_the_account_of_etcd(etcd_cluster, options):
    """With a strict umask, too. The account reaches neither other snapshots nor files of root."""
    assert os.geteuid() == 0
    account = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as top:
        os.chmod(top, 0o755)
        shutil.copytree(etcd_cluster.programs, f"{top}/bin")
        shutil.copytree(etcd_cluster.pki, f"{top}/pki")
        for path in (f"{top}/bin", f"{top}/pki"):
            os.chmod(path, 0o755)
        os.chown(f"{top}/pki/server.key", account.pw_uid, account.pw_gid)
        tls = {name: f"{top}/pki/{os.path.basename(path)}" for name, path in etcd_cluster.connection().items() if name.endswith("_path")}
        own = {**options, **tls, "account": "nobody", "programs": f"{top}/bin", "directory": f"{top}/snapshots"}
        before = os.umask(0o077)
        try:
            process = etcd_cluster.hosts[1].begin("etcd_snapshot", **own)
            users = set()
            while process.poll() is None:
                found = subprocess.run(["ps", "-eo", "user=,args="], capture_output=True, text=True, check=False).stdout.splitlines()
                users |= {line.split()[0] for line in found if f"{top}/bin/etcd --name=scratch" in line and "setpriv" not in line}
            answer = json.loads(process.stdout.read())
        finally:
            os.umask(before)
        assert not answer.get("failed"), answer["msg"]
        assert answer["snapshot"]["key_count"] and users == {"nobody"}, (answer, users)
        assert os.stat(f"{top}/snapshots/{ID}/snapshot").st_mode & 0o777 == 0o640


def test_the_scratch_etcd_dies_with_the_module(etcd_cluster, options, tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "etcdutl").symlink_to(etcd_cluster.programs / "etcdutl")
    (programs / "etcd").write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid; exec sleep 300\n")
    (programs / "etcd").chmod(0o755)
    process = etcd_cluster.hosts[1].begin("etcd_snapshot", **{**options, "programs": str(programs)})
    deadline = time.monotonic() + 60
    while not (tmp_path / "pid").exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    pid = int((tmp_path / "pid").read_text())
    assert os.path.exists(f"/proc/{pid}") and int(open(f"/proc/{pid}/oom_score_adj").read()) == 1000
    process.kill()
    process.wait()
    time.sleep(1)
    assert not os.path.exists(f"/proc/{pid}") or "Z" in open(f"/proc/{pid}/stat").read().rpartition(")")[2][:3]


def test_mistakes(etcd_cluster, options, tmp_path):
    run = etcd_cluster.hosts[1].run
    assert "expected letters, digits" in run("etcd_snapshot", **{**options, "id": "../x"})["msg"]
    assert "found no program" in run("etcd_snapshot", **{**options, "programs": "/nowhere"})["msg"]
    assert "found no nobody-here on this host" in run("etcd_snapshot", **{**options, "account": "nobody-here"})["msg"]
    assert "cannot log in" in run("etcd_snapshot", **{**options, "password": "wrong"})["msg"]
    etcd_cluster.hosts[1].systemctl("stop")
    assert "connection refused" in run("etcd_snapshot", **options)["msg"]
    assert not (tmp_path / "snapshots").exists() or list((tmp_path / "snapshots").iterdir()) == []

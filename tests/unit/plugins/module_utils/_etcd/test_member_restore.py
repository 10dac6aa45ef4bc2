# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a member is restored, and what happens to its former data. tests/component has the same with a real etcd."""

from __future__ import annotations

import base64
import getpass
import hashlib
import os
import pathlib
import types
import zlib

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd import restore
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.identifiers import cluster_id
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.wal import Identity

CONTENT = b"snapshot" * 1000
MEMBERS = {"etcd-0": "https://10.0.0.1:2380", "etcd-1": "https://10.0.0.2:2380"}
TOKEN = "a token"
RESTORED = cluster_id(MEMBERS.values(), TOKEN)
FORMER = 0x51C


class Host:
    """A host of etcd: its data names the cluster in a file, and commands are recorded."""

    def __init__(self, top: pathlib.Path) -> None:
        self.data, self.commands, self.active, self.made = top / "data", [], True, RESTORED
        self.params = {
            "directory": str(top / "snapshots"), "id": "prod-20261129T221500Z.cfcr", "size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest(),
            "data_directory": str(self.data), "bootstrap_file": str(top / "bootstrap.env"), "unit": "etcd", "account": getpass.getuser(), "programs": "/bin",
            "name": "etcd-0", "members": MEMBERS, "token": TOKEN, "bump": 1000,
        }  # fmt: skip
        (top / "bootstrap.env").write_text("left by a run that ended")

    def fill(self, cluster: int, directory: str = "member") -> None:
        (self.data / directory).mkdir(parents=True)
        (self.data / directory / "cluster").write_text(str(cluster))

    def cluster(self, directory: str) -> Identity | None:
        path = pathlib.Path(directory, "member/cluster")
        return Identity(1, int(path.read_text())) if path.exists() else None

    def run(self, *command: str) -> str:
        self.commands.append(" ".join(command[:3]))
        if command[:2] == ("systemctl", "stop"):
            self.active = False
        if command[0].endswith("etcdutl"):
            assert {"--bump-revision=1000", "--mark-compacted", f"--initial-cluster-token={TOKEN}"} <= set(command)
            assert "--initial-cluster=etcd-0=https://10.0.0.1:2380,etcd-1=https://10.0.0.2:2380" in command
            assert pathlib.Path(command[3]).read_bytes() == CONTENT
            self.fill(self.made, "restored/member")
        return ""

    def receive(self) -> None:
        member = restore.MemberRestore(self.params)
        assert member.prepare() is False
        for offset in range(0, len(CONTENT), 3000):
            packed = base64.b64encode(zlib.compress(CONTENT[offset : offset + 3000])).decode()
            restore.MemberRestore({**self.params, "offset": offset, "content": packed}).receive()
        assert restore.MemberRestore(self.params).prepare() is True

    def restore(self) -> bool:
        return restore.MemberRestore(self.params).restore()


@pytest.fixture
def host(tmp_path, monkeypatch):
    host = Host(tmp_path)
    monkeypatch.setattr(restore, "run", host.run)
    monkeypatch.setattr(restore, "identity", host.cluster)
    monkeypatch.setattr(restore, "is_active", lambda _unit: host.active)
    monkeypatch.setattr(restore.systemd, "start", lambda _units: setattr(host, "active", True))
    return host


def aside(host: Host) -> list[str]:
    return sorted(path.name for path in host.data.glob("member.before-restore-*"))


def test_former_data_is_moved_aside(host):
    host.fill(FORMER)
    host.receive()
    assert host.restore() is True
    assert host.cluster(str(host.data)).cluster == RESTORED and host.active
    assert (host.data / aside(host)[0] / "cluster").read_text() == str(FORMER)
    assert sorted(os.listdir(host.data)) == ["member", *aside(host)]
    assert not pathlib.Path(host.params["bootstrap_file"]).exists()


def test_a_restored_member_is_only_started(host):
    host.fill(RESTORED)
    assert host.restore() is False and host.commands == []
    host.active = False
    assert host.restore() is True and host.active and host.commands == []


def test_a_host_without_data(host):
    host.data.mkdir()
    host.receive()
    assert host.restore() is True and aside(host) == []


def test_a_run_that_ended_between_the_two_renames(host):
    host.fill(FORMER, "member.before-restore-x")
    host.fill(0, "restored/member")
    host.receive()
    assert host.restore() is True and aside(host) == ["member.before-restore-x"]
    assert host.cluster(str(host.data)).cluster == RESTORED


def test_a_snapshot_that_is_not_whole_changes_nothing(host):
    host.fill(FORMER)
    with pytest.raises(HostError, match="cannot be read"):
        host.restore()
    host.receive()
    path = pathlib.Path(host.params["directory"], host.params["id"], "etcd.snapshot")
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(HostError, match="SHA-256"):
        host.restore()
    assert host.active and host.commands == [] and host.cluster(str(host.data)).cluster == FORMER


def test_data_of_another_cluster_than_expected_is_not_used(host):
    host.fill(FORMER)
    host.receive()
    host.made = FORMER
    with pytest.raises(HostError, match="found data of cluster 51c after the restore"):
        host.restore()
    assert host.cluster(str(host.data)).cluster == FORMER and aside(host) == []


def test_a_disk_without_space(host, monkeypatch):
    monkeypatch.setattr(restore.shutil, "disk_usage", lambda _path: types.SimpleNamespace(free=40))
    with pytest.raises(HostError, match=r"found 0 MiB of free space, expected 64 MiB"):
        restore.MemberRestore(host.params).prepare()
    assert not os.path.exists(host.params["directory"])


def test_a_snapshot_of_another_run_is_received_again(host):
    host.receive()
    other = {**host.params, "sha256": hashlib.sha256(b"x").hexdigest()}
    assert restore.MemberRestore(other).prepare() is False
    restore.MemberRestore(other).remove()
    assert os.listdir(host.params["directory"]) == []

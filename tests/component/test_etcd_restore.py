# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real etcd that is restored from its snapshot: what is there afterwards, what clients notice, and which members are refused."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import pathlib
import subprocess
import tarfile
import time
import zlib

import pytest
from _etcd import ARTIFACTS, PASSWORD, VERSIONS, result
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.identifiers import cluster_id
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host.addresses import addresses

ID = "prod-20261129T221500Z.cfcr"
BUMP = 1_000_000_000
TOKEN = "a token of this restore"


class Restore:
    """A snapshot, and how to restore a cluster from it."""

    def __init__(self, cluster, tmp_path) -> None:
        self.cluster, self.directory = cluster, tmp_path / "received"
        host, taken = cluster.hosts[1], tmp_path / "taken"
        options = {"id": ID, "url": host.client_url, "directory": str(taken), "programs": str(cluster.programs), "account": "root", "verify_timeout": 60}
        self.found = host.run("etcd_snapshot", **options)["snapshot"]
        self.content = (taken / ID / "snapshot").read_bytes()
        self.own = {"id": ID, "size": len(self.content), "sha256": hashlib.sha256(self.content).hexdigest()}

    def of(self, host) -> dict:
        return {
            **self.own, "directory": str(self.directory / host.name), "data_directory": str(host.data), "bootstrap_file": str(host.bootstrap_file),
            "programs": str(self.cluster.programs), "account": "root", "name": host.name, "members": self.cluster.members, "token": TOKEN, "bump": BUMP,
        }  # fmt: skip

    def send(self, host, content: bytes | None = None, piece: int = 10_000) -> None:
        content = self.content if content is None else content
        assert host.run("etcd_restore", phase="prepare", **self.of(host))["received"] is False
        for offset in range(0, len(content), piece):
            packed = base64.b64encode(zlib.compress(content[offset : offset + piece])).decode()
            answer = host.run("etcd_restore", phase="append", offset=offset, content=packed, **self.of(host))
            assert answer.get("size") == min(offset + piece, len(content)), answer

    def restore(self, *hosts) -> list[dict]:
        return [result(process) for process in [host.begin("etcd_restore", phase="restore", **self.of(host)) for host in hosts or self.cluster.hosts]]

    def verify(self, **changes) -> dict:
        expected = {"revision": self.found["revision"] + BUMP, "keys": self.found["key_count"], "objects": self.found["objects"], "wait_timeout": 40, **changes}
        return self.cluster.hosts[0].run("etcd_restore", phase="verify", **self.of(self.cluster.hosts[0]), **expected)

    def everything(self) -> None:
        """Restore the cluster, as the role does."""
        for host in self.cluster.hosts:
            self.send(host)
        for host in self.cluster.hosts:
            host.systemctl("stop")
        assert [answer.get("changed") for answer in self.restore()] == [True] * len(self.cluster.hosts)
        answer = self.verify()
        assert answer.get("compared") is True, answer


@pytest.fixture
def restore(etcd_cluster, tmp_path):
    etcd_cluster.etcdctl("put", "/registry/pods/default/then", "value")
    return Restore(etcd_cluster, tmp_path)


def aside(host) -> list[pathlib.Path]:
    return sorted(host.data.glob("member.before-restore-*"))


def test_a_living_cluster_goes_back(restore, etcd_cluster):
    former = etcd_cluster.info()["cluster_id"]
    etcd_cluster.etcdctl("put", "/registry/pods/default/later", "value")
    etcd_cluster.etcdctl("del", "/registry/precious")
    restore.everything()
    assert etcd_cluster.etcdctl("get", "--keys-only", "--prefix", "/registry/").stdout.split() == ["/registry/pods/default/then", "/registry/precious"]
    info = etcd_cluster.await_healthy(3)
    assert int(info["cluster_id"], 16) == cluster_id(etcd_cluster.members.values(), TOKEN) != int(former, 16)
    assert all(len(aside(host)) == 1 for host in etcd_cluster.hosts)
    # Users, roles and their permissions are there, and the members go on with their work.
    assert etcd_cluster.etcdctl("put", "/registry/x", "y", user="kube-apiserver").returncode == 0
    assert etcd_cluster.etcdctl("put", "/registry/x", "y", user="flannel").returncode != 0
    assert [answer["changed"] for answer in etcd_cluster.join(bootstrapped=True, initial_cluster_token=TOKEN)] == [False] * 3
    # A second run of the same restore takes nothing back.
    assert [answer["changed"] for answer in restore.restore()] == [False] * 3
    assert etcd_cluster.etcdctl("get", "/registry/x", "--print-value-only").stdout == "y\n"
    assert all(len(aside(host)) == 1 for host in etcd_cluster.hosts)


def test_hosts_that_lost_everything(restore, etcd_cluster):
    for host in etcd_cluster.hosts:
        host.lose_disk()
        host.data.mkdir()
        restore.send(host)
    assert all(answer.get("changed") for answer in restore.restore())
    assert restore.verify()["compared"] is True
    assert not any(aside(host) for host in etcd_cluster.hosts)


def test_clients_with_a_watch_notice(restore, etcd_cluster):
    """They have seen later revisions than the snapshot has."""
    for number in range(5):
        etcd_cluster.etcdctl("put", f"/registry/pods/default/{number}", "value")
    seen = int(etcd_cluster.etcdctl("get", "x", "--write-out=json").stdout.split('"revision":')[1].split(",")[0])
    assert seen > restore.found["revision"]
    restore.everything()
    watch = etcd_cluster.etcdctl("watch", "--prefix", "/registry/", f"--rev={seen + 1}")
    assert "compacted" in watch.stdout + watch.stderr
    revision = int(etcd_cluster.etcdctl("get", "x", "--write-out=json").stdout.split('"revision":')[1].split(",")[0])
    assert revision == restore.found["revision"] + BUMP


def test_a_member_with_former_data_is_refused(restore, etcd_cluster):
    """It was off during the restore. Under the former token, it would have come back as a peer with data that nobody else has."""
    off, others = etcd_cluster.hosts[2], etcd_cluster.hosts[:2]
    etcd_cluster.etcdctl("put", "/registry/pods/default/later", "value")
    for host in etcd_cluster.hosts:
        host.systemctl("stop")
    for host in others:
        restore.send(host)
    assert all(answer.get("changed") for answer in restore.restore(*others))
    assert restore.verify(endpoints=[host.client_url for host in others])["compared"] is True
    off.systemctl("start")
    time.sleep(3)
    assert etcd_cluster.etcdctl("get", "/registry/pods/default/later").stdout == ""
    assert etcd_cluster.info()["quorum"]["healthy"] == 2
    answer = off.member(bootstrapped=True, initial_cluster_token=TOKEN)
    assert "Move the data away" in answer["msg"]
    off.systemctl("stop")
    (off.data / "member").rename(off.data / "former")
    assert off.member(bootstrapped=True, initial_cluster_token=TOKEN)["steps"] == ["remove", "add", "promote"]
    assert etcd_cluster.await_healthy(3)


def test_a_password_that_has_changed_since(restore, etcd_cluster):
    new = "root's next password"
    user = {"name": "root", "password": new, "roles": ["root"]}
    assert etcd_cluster.hosts[0].run("etcd_auth", users=[user], update_password="always")["changed"]
    etcd_cluster.password = new
    for host in etcd_cluster.hosts:
        restore.send(host)
    restore.restore()
    assert "cannot log in" in restore.verify()["msg"]
    assert restore.verify(former_passwords=["an older password", PASSWORD])["compared"] is True
    assert etcd_cluster.hosts[0].run("etcd_auth", users=[user], update_password="always", former_passwords=["an older password", PASSWORD])["changed"]
    assert restore.verify()["compared"] is True


def test_interruptions(restore, etcd_cluster):
    host = etcd_cluster.hosts[0]
    restore.send(host, restore.content[:-1])
    answer = host.run("etcd_restore", phase="restore", **restore.of(host))
    assert "SHA-256" in answer["msg"] and host.snapshot()["running"] and not aside(host)
    restore.send(host)
    assert host.run("etcd_restore", phase="prepare", **restore.of(host))["received"] is True
    # It ended after the data was moved aside, with a half restored copy.
    host.systemctl("stop")
    (host.data / "restored").mkdir()
    (host.data / "restored/member").write_text("half")
    (host.data / "member").rename(host.data / "member.before-restore-x")
    for other in etcd_cluster.hosts[1:]:
        restore.send(other)
        other.systemctl("stop")
    assert all(answer.get("changed") for answer in restore.restore())
    assert restore.verify()["compared"] is True
    host.run("etcd_restore", phase="remove", **restore.of(host))
    assert not (restore.directory / host.name / ID).exists()


def test_members_or_numbers_that_differ_are_found(restore):
    restore.everything()
    assert "resources that differ: pods" in restore.verify(objects={**restore.found["objects"], "pods": 9})["msg"]
    assert "keys after the restore, expected the 99 of the backup; resources that differ: none" in restore.verify(keys=99)["msg"]


def test_a_revision_that_was_compacted_since(restore, etcd_cluster):
    restore.everything()
    etcd_cluster.etcdctl("put", "/registry/pods/default/later", "value")
    revision = int(etcd_cluster.etcdctl("get", "x", "--write-out=json").stdout.split('"revision":')[1].split(",")[0])
    assert etcd_cluster.etcdctl("compact", str(revision)).returncode == 0
    assert restore.verify()["compared"] is False


@contextlib.contextmanager
def flanneld_running(cluster, directory, address):
    """Run the real flanneld without the right to change a network, so that it ends after it has got its lease."""
    (archive,) = ARTIFACTS.glob(f"flannel/{VERSIONS['flannel']}/amd64/*.tar.gz")
    with tarfile.open(archive) as content:
        content.extract("flanneld", directory, filter="data")
    tls = [f"--etcd-{name}={cluster.pki / path}" for name, path in (("cafile", "ca.crt"), ("certfile", "flannel.crt"), ("keyfile", "flannel.key"))]
    interface = next((found for found in addresses() if "." in found), None)
    if not interface:
        pytest.skip("flanneld takes no loopback interface, and this machine has no other one")
    own = [f"--iface={interface}", f"--public-ip={address}", f"--subnet-file={directory / 'subnet.env'}"]
    command = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", directory / "flanneld", *own, *tls]
    with open(directory / "log", "w") as log:
        process = subprocess.Popen([*command, f"--etcd-endpoints={','.join(host.client_url for host in cluster.hosts)}"], stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_flanneld_gets_the_subnet_that_its_pods_have(etcd_cluster, tmp_path):
    """The backup has another one for its address, from before the host was replaced, and gives that of the pods to a host that was, too."""
    host, prefix = etcd_cluster.hosts[0], "/coreos.com/network/subnets/"
    etcd_cluster.etcdctl("put", "/coreos.com/network/config", '{"Network":"10.200.0.0/16","SubnetLen":24,"Backend":{"Type":"alloc"}}')
    for subnet, address in (("10.200.1.0-24", "10.0.0.1"), ("10.200.2.0-24", "10.0.0.2"), ("10.200.3.0-24", "10.0.0.3")):
        etcd_cluster.etcdctl("put", f"{prefix}{subnet}", json.dumps({"PublicIP": address}))
    options = {"keep": ["10.0.0.1", "10.0.0.2"], "subnets": {"10.0.0.1": "10.200.2.0/24"}}
    expected = {"leases": {"10.200.1.0-24": "10.0.0.1", "10.200.3.0-24": "10.0.0.3"}, "given": {"10.200.2.0-24": "10.0.0.1"}}
    for check in (True, False):
        answer = host.run("flannel_lease", check=check, **options)
        assert answer["changed"] and {name: answer[name] for name in expected} == expected
    assert not host.run("flannel_lease", **options)["changed"]

    def lease():
        return etcd_cluster.etcdctl("get", f"{prefix}10.200.2.0-24", "--write-out=json").stdout

    before = lease()
    with flanneld_running(etcd_cluster, tmp_path, "10.0.0.1"):
        deadline = time.monotonic() + 60
        while lease() == before:
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.2)
    assert "Found lease (ip: 10.200.2.0/24" in (tmp_path / "log").read_text()
    assert etcd_cluster.etcdctl("get", "--keys-only", "--prefix", prefix).stdout.split() == [f"{prefix}10.200.2.0-24"]


def test_leases_of_all_other_hosts_are_deleted(etcd_cluster):
    host = etcd_cluster.hosts[0]
    for number in (1, 2, 3):
        value = f'{{"PublicIP":"10.0.0.{number}","BackendType":"vxlan"}}'
        assert host.run("etcd_key", key=f"/coreos.com/network/subnets/10.200.{number}.0-24", value=value)["changed"]
    answer = host.run("flannel_lease", keep=["10.0.0.2"])
    assert answer["leases"] == {"10.200.1.0-24": "10.0.0.1", "10.200.3.0-24": "10.0.0.3"}
    assert not host.run("flannel_lease", keep=["10.0.0.2"])["changed"]


def test_mistakes(restore, etcd_cluster):
    host = etcd_cluster.hosts[0]
    assert "expected the name of a backup" in host.run("etcd_restore", phase="prepare", **{**restore.of(host), "id": "../x"})["msg"]
    assert "of free space" in host.run("etcd_restore", phase="prepare", **{**restore.of(host), "size": 1 << 50})["msg"]
    restore.send(host)
    host.systemctl("stop")
    answer = host.run("etcd_restore", phase="restore", **{**restore.of(host), "account": "nobody-here"})
    assert "found no nobody-here" in answer["msg"] and not aside(host)
    assert "without the action" in host.run("etcd_restore", phase="receive", **restore.of(host))["msg"]

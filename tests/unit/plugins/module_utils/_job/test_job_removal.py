# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The removal of all jobs of a host."""

from __future__ import annotations

import json

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import removal as subject
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job.removal import Removal

RESOLV = "# Written by the Ansible collection cfcr.kubernetes; changes are overwritten.\n# Why\nnameserver 169.254.53.1\nnameserver 10.0.0.2\nsearch a\n"


def job(name, units=(), **fields):
    lists = ("certificates", "bundles", "directories", "files", "secret_files")
    return {"name": name, "units": [{"name": unit, "health": []} for unit in units], "sysctls": {}, **{key: [] for key in lists}, **fields}


JOBS = [
    job("containerd", ["containerd"], files=["/etc/containerd/config.toml"]),
    job("dns", ["pdns"], directories=["/etc/cfcr"], files=["/etc/resolv.conf"]),
    job("etcd", ["etcd"], directories=["/etc/etcd", "/data"], secret_files=["/etc/etcd/pki/peer.key"], certificates=["/etc/etcd/pki/peer.crt"]),
    job("flannel", ["flanneld"]),
    job("kubelet", ["kubelet"], directories=["/var/lib/kubelet"], files=["/etc/cfcr/jobs/kubelet.json"]),
]
FILES = {
    "etc/containerd/config.toml": "", "etc/resolv.conf": RESOLV, "etc/etcd/pki/peer.key": "secret", "etc/etcd/pki/peer.crt": "", "data/member/wal/0": "",
    "data/member.removed-1/wal": "", "data/other": "mine", "var/lib/kubelet/pods/1/volume": "", "var/lib/containerd/io/x": "", "run/flannel/subnet.env": "",
    "etc/hosts": "mine", "proc/self/mounts": "overlay / overlay rw 0 0\n",
}  # fmt: skip


@pytest.fixture
def calls(monkeypatch):
    found = []
    monkeypatch.setattr(subject, "run", lambda *arguments: found.append(arguments) or "")
    return found


@pytest.fixture
def host(tmp_path):
    for entry in JOBS:
        for path in (f"etc/cfcr/jobs/{entry['name']}.json", f"var/lib/cfcr/jobs/{entry['name']}.json"):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(json.dumps(entry))
        for unit in entry["units"]:
            path = tmp_path / f"etc/systemd/system/{unit['name']}.service"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("[Unit]\n")
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def left(host):
    return {str(path.relative_to(host)) for path in host.rglob("*") if path.is_file()}


def test_nothing_of_the_jobs_is_left(host, calls):
    removal = Removal(host)
    assert removal.names == ["containerd", "dns", "etcd", "flannel", "kubelet"]
    removal.apply()
    assert left(host) == {"etc/resolv.conf", "data/other", "etc/hosts", "proc/self/mounts"}
    assert (host / "etc/resolv.conf").read_text() == "nameserver 10.0.0.2\nsearch a\n"
    assert Removal(host).names == []


def test_services_that_nothing_describes_are_not_taken_for_none(host, calls):
    """A host that has lost its descriptors still runs."""
    for path in (host / "etc/cfcr/jobs").iterdir():
        path.unlink()
    Removal(host)
    (host / "etc/systemd/system/etcd.service").write_text("[Service]\nEnvironment=CFCR_DIGEST=1a2b\n")
    with pytest.raises(HostError, match="/etc/cfcr/jobs: found no description of etcd.service"):
        Removal(host)


def test_the_kubelet_stops_before_the_others(host, calls):
    Removal(host).apply()
    stopped = [arguments[4:] for arguments in calls if arguments[1:3] == ("disable", "--now")]
    assert stopped[0] == ("kubelet.service",)
    assert set(stopped[1]) == {"containerd.service", "pdns.service", "etcd.service", "flanneld.service"}


@pytest.mark.parametrize("number", range(3))
def test_an_interrupted_removal_is_finished_by_the_next_one(host, monkeypatch, number):
    done = []

    def run(*arguments):
        done.append(arguments)
        if len(done) > number:
            raise SystemExit
        return ""

    monkeypatch.setattr(subject, "run", run)
    with pytest.raises(SystemExit):
        Removal(host).apply()
    assert Removal(host).names  # not forgotten
    monkeypatch.setattr(subject, "run", lambda *_arguments: "")
    Removal(host).apply()
    assert left(host) == {"etc/resolv.conf", "data/other", "etc/hosts", "proc/self/mounts"}


def test_volumes_are_unmounted_the_deepest_first_and_never_deleted(host, calls):
    mounts = "x /var/lib/containerd ext4 rw 0 0\nnfs /var/lib/kubelet/pods/1/volume\\040a nfs rw 0 0\ntmpfs /var/lib/kubelet/pods/1 tmpfs rw 0 0\n"
    (host / "proc/self/mounts").write_text(mounts)
    with pytest.raises(HostError, match="found a mount, expected none"):
        Removal(host).apply()
    points = [arguments[2] for arguments in calls if arguments[0] == "umount"]
    assert points == ["/var/lib/kubelet/pods/1/volume a", "/var/lib/kubelet/pods/1"]
    assert "var/lib/kubelet/pods/1/volume" in left(host)


def test_pods_are_killed(host, calls, monkeypatch):
    killed = []
    monkeypatch.setattr(subject.os, "kill", lambda pid, number: killed.append(pid))
    for pid, groups, command in (
        (7, "0::/kubepods/pod1/x\n", b"/web\0"),
        (8, "0::/system.slice\n", b"/opt/cfcr/bin/containerd-shim-runc-v2\0-id"),
        (9, "0::/", b"sshd\0"),
    ):
        (host / f"proc/{pid}").mkdir()
        (host / f"proc/{pid}/cgroup").write_text(groups)
        (host / f"proc/{pid}/cmdline").write_bytes(command)
    Removal(host).apply()
    assert sorted(killed) == [7, 8]

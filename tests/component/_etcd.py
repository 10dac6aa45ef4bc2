# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""etcd hosts on loopback: real etcd processes with TLS, and modules that run against them as Ansible runs them."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tarfile
import time

import pytest
import yaml
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog import catalog

ARTIFACTS = pathlib.Path(os.environ.get("CFCR_ARTIFACTS", pathlib.Path.home() / ".cache/cfcr/artifacts"))
COLLECTIONS = pathlib.Path(__file__).parents[2] / "collections"
ROLE = yaml.safe_load((pathlib.Path(__file__).parents[2] / "roles/etcd/vars/main.yml").read_text())
# The artifacts may have several releases.
DEFAULTS = yaml.safe_load((pathlib.Path(__file__).parents[2] / "roles/cluster/defaults/main.yml").read_text())
VERSIONS = catalog.resolve(DEFAULTS["cluster_kubernetes_version"])
# The common name of the peer certificates of role etcd.
PEER = next(entry["common_name"] for entry in ROLE["__etcd_certificates"] if entry["path"].endswith("/peer"))
PASSWORD = "root's password"
RUN = """
import importlib, sys
from ansible.module_utils.testing import patch_module_args
import json
module = importlib.import_module("ansible_collections.cfcr.kubernetes.plugins.modules." + sys.argv[1])
with patch_module_args(json.load(sys.stdin)):
    module.main()
"""
OPENSSL_CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = IP:127.0.0.1
authorityKeyIdentifier = keyid
"""


@pytest.fixture(scope="session")
def etcd_programs(tmp_path_factory) -> pathlib.Path:
    return programs(VERSIONS["etcd"], tmp_path_factory.mktemp("dev-etcd-programs"))


def programs(version: str, directory: pathlib.Path) -> pathlib.Path:
    """Return the directory with etcd, etcdctl and etcdutl from the local artifacts."""
    archives = list(ARTIFACTS.glob(f"etcd/{version}/amd64/*.tar.gz"))
    if not archives:
        pytest.skip(f"etcd {version} is not below {ARTIFACTS}; build the artifacts first")
    with tarfile.open(archives[0]) as archive:
        for member in archive.getmembers():
            name = pathlib.PurePath(member.name).name
            if name in ("etcd", "etcdctl", "etcdutl"):
                with archive.extractfile(member) as source, open(directory / name, "wb") as target:
                    shutil.copyfileobj(source, target)
                (directory / name).chmod(0o755)
    return directory


@pytest.fixture(scope="session")
def etcd_pki(tmp_path_factory) -> pathlib.Path:
    """Make a CA and certificates with openssl: one without common name for servers and modules, one for peers, and one for each user."""
    directory = tmp_path_factory.mktemp("dev-etcd-pki")
    (directory / "config").write_text(OPENSSL_CONFIG)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    def issue(name: str, subject: str, *issuer: str) -> None:
        files = ["-keyout", f"{name}.key", "-out", f"{name}.crt"]
        extensions = ["-extensions", "leaf" if issuer else "authority", "-config", "config"]
        command = ["openssl", "req", "-x509", "-days", "1", "-subj", subject, *key, *files, *extensions, *issuer]
        subprocess.run(command, cwd=directory, check=True, capture_output=True)

    issue("ca", "/CN=etcd")
    subjects = {"server": "/O=etcd", "peer": f"/CN={PEER}", "kube-apiserver": "/CN=kube-apiserver", "flannel": "/CN=flannel"}
    for name, subject in subjects.items():
        issue(name, subject, "-CA", "ca.crt", "-CAkey", "ca.key")
    return directory


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _index in range(count)]
    for listener in sockets:
        listener.bind(("127.0.0.1", 0))
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


class Host:
    """A host with its data, bootstrap file and unit, which runs modules."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.name = cluster, name
        self.directory = cluster.directory / name
        self.directory.mkdir()
        self.data = self.directory / "data"
        self.bootstrap_file = self.directory / "bootstrap.env"
        client, peer = free_ports(2)
        self.client_url, self.peer_url = f"https://127.0.0.1:{client}", f"https://127.0.0.1:{peer}"
        self.write_unit()

    def write_unit(self, **changes) -> None:
        """Write the unit with the role's flags and these changes; a flag that is None is omitted."""
        pki = self.cluster.pki
        flags = {
            "name": self.name,
            "data-dir": self.data,
            "listen-client-urls": self.client_url,
            "advertise-client-urls": self.client_url,
            "listen-peer-urls": self.peer_url,
            "initial-advertise-peer-urls": self.peer_url,
            **{f"{prefix}cert-file": pki / f"{name}.crt" for prefix, name in (("", "server"), ("peer-", "peer"))},
            **{f"{prefix}key-file": pki / f"{name}.key" for prefix, name in (("", "server"), ("peer-", "peer"))},
            **{f"{prefix}trusted-ca-file": pki / "ca.crt" for prefix in ("", "peer-")},
            **{f"{prefix}client-cert-auth": "true" for prefix in ("", "peer-")},
            "peer-cert-allowed-cn": ROLE["__etcd_flags"]["peer-cert-allowed-cn"],
            "bcrypt-cost": 4,
            "unsafe-no-fsync": "true",
            **changes,
        }
        unit = {
            "command": [str(self.cluster.programs / "etcd"), *(f"--{flag}={value}" for flag, value in flags.items() if value is not None)],
            "conditions": [str(self.data / "member" / "wal"), str(self.bootstrap_file)],
            "environment_file": str(self.bootstrap_file),
        }
        (self.directory / "host.json").write_text(json.dumps(unit))

    def begin(self, module: str, *, check: bool = False, **options) -> subprocess.Popen:
        arguments = {**self.cluster.connection(), **options, "_ansible_check_mode": check}
        environment = {**os.environ, "ETCD_TEST_HOST": str(self.directory), "PYTHONPATH": str(COLLECTIONS)}
        environment["PATH"] = f"{self.cluster.stand_ins}:{environment['PATH']}"
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, module], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        process.stdin.write(json.dumps(arguments).encode())
        process.stdin.close()
        process.stdin = None
        return process

    def run(self, module: str, **options) -> dict:
        return result(self.begin(module, **options))

    def begin_member(self, **options) -> subprocess.Popen:
        own = {"name": self.name, "data_directory": str(self.data), "bootstrap_file": str(self.bootstrap_file), "wait_timeout": 40}
        return self.begin("etcd_member", **{**own, "members": self.cluster.members, **options})

    def member(self, **options) -> dict:
        return result(self.begin_member(**options))

    def systemctl(self, verb: str) -> None:
        environment = {**os.environ, "ETCD_TEST_HOST": str(self.directory)}
        subprocess.run([self.cluster.stand_ins / "systemctl", verb, "etcd.service"], check=True, env=environment)

    def lose_disk(self) -> None:
        self.systemctl("stop")
        shutil.rmtree(self.data, ignore_errors=True)

    def snapshot(self) -> dict[str, object]:
        """Return the state of this host that a module may change: names of files, and whether the unit runs."""
        paths = sorted(str(path) for path in self.directory.rglob("*") if path.name in ("wal", "bootstrap.env") or "removed" in path.name)
        return {"paths": paths, "running": (self.directory / "supervisor.pid").exists()}


class Cluster:
    """The hosts of one etcd cluster."""

    def __init__(self, directory: pathlib.Path, programs: pathlib.Path, pki: pathlib.Path, count: int = 3) -> None:
        self.directory, self.programs, self.pki = directory, programs, pki
        self.password: str | None = PASSWORD
        self.stand_ins = directory / "bin"
        self.stand_ins.mkdir()
        program = pathlib.Path(__file__).with_name("_etcd_systemctl.py")
        for name, script in {
            "systemctl": f'exec {sys.executable} {program} "$@"',
            "journalctl": 'tail -n 3 "$ETCD_TEST_HOST/log"',
        }.items():
            (self.stand_ins / name).write_text(f"#!/bin/sh\n{script}\n")
            (self.stand_ins / name).chmod(0o755)
        self.hosts: list[Host] = []
        for index in range(count):
            self.hosts.append(Host(self, f"etcd-{index}"))

    @property
    def members(self) -> dict[str, str]:
        return {host.name: host.peer_url for host in self.hosts}

    def connection(self) -> dict:
        tls = {"ca_path": "ca.crt", "certificate_path": "server.crt", "key_path": "server.key"}
        return {
            "endpoints": [host.client_url for host in self.hosts],
            **{option: str(self.pki / name) for option, name in tls.items()},
            "password": self.password,
            "timeout": 3,
        }

    def join(self, **options) -> list[dict]:
        """Run etcd_member on all hosts at the same time."""
        return [result(process) for process in [host.begin_member(**options) for host in self.hosts]]

    def info(self, host: int = 0) -> dict:
        return self.hosts[host].run("etcd_cluster_info")

    def await_healthy(self, count: int) -> dict:
        deadline = time.monotonic() + 30
        while True:
            info = self.info()
            if sum(member["healthy"] for member in info["members"]) == count:
                return info
            assert time.monotonic() < deadline, info
            time.sleep(0.2)

    def etcdctl(self, *arguments: str, user: str | None = None, host: int = 0) -> subprocess.CompletedProcess:
        """Run etcdctl, as root by password or as the user of a certificate."""
        pki = [f"--cacert={self.pki / 'ca.crt'}", f"--cert={self.pki / (user or 'server')}.crt", f"--key={self.pki / (user or 'server')}.key"]
        login = [] if user else [f"--user=root:{PASSWORD}"]
        endpoint = f"--endpoints={self.hosts[host].client_url}"
        command = [self.programs / "etcdctl", *pki, endpoint, *login, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def close(self) -> None:
        for host in self.hosts:
            host.systemctl("stop")


def result(process: subprocess.Popen) -> dict:
    out, error = process.communicate(timeout=120)
    try:
        return json.loads(out)
    except ValueError:
        raise AssertionError(f"{out.decode()}\n{error.decode()}") from None


AUTH = {
    "roles": [
        {"name": "kube-apiserver", "permissions": [{"permission": "readwrite", "key": "/registry/", "prefix": True}]},
        {
            "name": "flannel",
            "permissions": [
                {"permission": "read", "key": "/coreos.com/network/config"},
                {"permission": "readwrite", "key": "/coreos.com/network/subnets", "prefix": True},
            ],
        },
    ],
    "users": [
        {"name": "root", "password": PASSWORD, "roles": ["root"]},
        {"name": "kube-apiserver", "roles": ["kube-apiserver"]},
        {"name": "flannel", "roles": ["flannel"]},
    ],
    "enabled": True,
}


@pytest.fixture
def etcd_hosts(tmp_path, etcd_programs, etcd_pki):
    """Return three hosts without data, on which etcd does not run."""
    cluster = Cluster(tmp_path, etcd_programs, etcd_pki)
    try:
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def etcd_cluster(etcd_hosts):
    """Return a cluster of three with authentication enabled and a key of Kubernetes."""
    for answer in etcd_hosts.join():
        assert answer.get("changed"), answer
    answer = etcd_hosts.hosts[0].run("etcd_auth", **AUTH)
    assert answer.get("changed"), answer
    assert etcd_hosts.hosts[0].run("etcd_key", key="/registry/precious", value="kept")["changed"]
    return etcd_hosts

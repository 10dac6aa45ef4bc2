# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Access to the peer port of etcd, which serves entries without checking users and roles."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

import pytest


def curl(cluster, name: str, url: str) -> subprocess.CompletedProcess:
    """Request a URL with a certificate of the CA that clients and peers share."""
    pki = cluster.pki
    command = ["curl", "--silent", "--show-error", "--http1.1", "--cacert", pki / "ca.crt", "--cert", pki / f"{name}.crt", "--key", pki / f"{name}.key", url]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)


@pytest.mark.parametrize("path", ["/members", "/version", "/raft/stream/message/1", "/raft/probing"])
def test_the_peer_port_refuses_client_certificates_of_the_same_ca(etcd_cluster, path):
    peer, client = (f"{url}{path}" for url in (etcd_cluster.hosts[0].peer_url, etcd_cluster.hosts[0].client_url))
    for name in ("flannel", "kube-apiserver", "server"):
        refused = curl(etcd_cluster, name, peer)
        assert refused.returncode != 0 and not refused.stdout and "alert" in refused.stderr, (name, refused)
    assert curl(etcd_cluster, "peer", peer).returncode == 0
    assert curl(etcd_cluster, "flannel", client).returncode == 0  # the same certificate is valid on the client port
    assert "client certificate authentication failed" in (etcd_cluster.hosts[0].directory / "log").read_text(errors="replace")


def test_a_peer_certificate_has_no_access_to_keys(etcd_cluster):
    refused = etcd_cluster.etcdctl("get", "/registry/precious", user="peer")
    assert refused.returncode != 0 and not refused.stdout


def install(pki: pathlib.Path, name: str, directory: pathlib.Path) -> None:
    """Replace a host's peer certificate and key, as action certificate does."""
    for suffix in ("key", "crt"):
        shutil.copy(pki / f"{name}.{suffix}", directory / "new")
        os.rename(directory / "new", directory / f"peer.{suffix}")


def test_a_running_cluster_gets_peer_cert_allowed_cn_without_an_outage(etcd_hosts):
    """All hosts get their new certificates before the first member restarts with the flag, and no write is lost."""
    for host in etcd_hosts.hosts:
        install(etcd_hosts.pki, "server", host.directory)
        own = {"peer-cert-file": host.directory / "peer.crt", "peer-key-file": host.directory / "peer.key"}
        host.write_unit(**own, **{"peer-cert-allowed-cn": None})
    for answer in etcd_hosts.join():
        assert answer.get("changed"), answer
    etcd_hosts.await_healthy(3)
    for host in etcd_hosts.hosts:
        install(etcd_hosts.pki, "peer", host.directory)
    for number, host in enumerate(etcd_hosts.hosts):
        host.write_unit(**{"peer-cert-file": host.directory / "peer.crt", "peer-key-file": host.directory / "peer.key"})
        host.systemctl("restart")
        assert etcd_hosts.await_healthy(3)["healthy"]
        assert etcd_hosts.hosts[0].run("etcd_key", key=f"/registry/{number}", value="kept")["changed"]
    for host in etcd_hosts.hosts:
        assert curl(etcd_hosts, "server", f"{host.peer_url}/members").returncode != 0

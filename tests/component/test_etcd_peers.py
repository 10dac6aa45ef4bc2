# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is let in on the port of the peers, where entries are handed out past all users and roles."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

import pytest


def ask(cluster, name: str, url: str) -> subprocess.CompletedProcess:
    """Ask as curl does, with a certificate of the authority that clients and peers have in common."""
    pki = cluster.pki
    command = ["curl", "--silent", "--show-error", "--http1.1", "--cacert", pki / "ca.crt", "--cert", pki / f"{name}.crt", "--key", pki / f"{name}.key", url]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)


@pytest.mark.parametrize("path", ["/members", "/version", "/raft/stream/message/1", "/raft/probing"])
def test_a_client_of_the_same_authority_is_no_peer(etcd_cluster, path):
    peer, client = (f"{url}{path}" for url in (etcd_cluster.hosts[0].peer_url, etcd_cluster.hosts[0].client_url))
    for name in ("flannel", "kube-apiserver", "server"):
        refused = ask(etcd_cluster, name, peer)
        assert refused.returncode != 0 and not refused.stdout and "alert" in refused.stderr, (name, refused)
    assert ask(etcd_cluster, "peer", peer).returncode == 0
    assert ask(etcd_cluster, "flannel", client).returncode == 0  # its certificate is as good as the others
    assert "client certificate authentication failed" in (etcd_cluster.hosts[0].directory / "log").read_text(errors="replace")


def test_a_peers_certificate_is_no_user(etcd_cluster):
    refused = etcd_cluster.etcdctl("get", "/registry/precious", user="peer")
    assert refused.returncode != 0 and not refused.stdout


def install(pki: pathlib.Path, name: str, directory: pathlib.Path) -> None:
    """Replace a host's own certificate and key, as action certificate does."""
    for suffix in ("key", "crt"):
        shutil.copy(pki / f"{name}.{suffix}", directory / "new")
        os.rename(directory / "new", directory / f"peer.{suffix}")


def test_a_living_cluster_learns_to_tell_peers_from_clients(etcd_hosts):
    """All hosts have their new certificates before the first member is restarted with the flag; nothing is lost on the way."""
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
        assert ask(etcd_hosts, "server", f"{host.peer_url}/members").returncode != 0

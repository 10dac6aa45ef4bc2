# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Health checks of a real etcd and a real API server."""

from __future__ import annotations

import time

import pytest
from _etcd import free_ports
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd import metrics as etcd_metrics
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import Kubernetes
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.status import cluster_status


@pytest.fixture
def metrics(etcd_hosts):
    """Bootstrap a cluster, and return the readiness URL of each member."""
    urls = {}
    for host, port in zip(etcd_hosts.hosts, free_ports(len(etcd_hosts.hosts))):
        urls[host.name] = f"http://127.0.0.1:{port}/readyz"
        host.write_unit(**{"listen-metrics-urls": f"http://127.0.0.1:{port}", "quota-backend-bytes": 64 * 1024 * 1024})
    for answer in etcd_hosts.join():
        assert answer.get("changed"), answer
    etcd_hosts.await_healthy(3)
    return urls


def test_members_report_their_role_and_problem(etcd_hosts, metrics):
    reports = {name: etcd_metrics.ask(url) for name, url in metrics.items()}
    info = etcd_hosts.info()
    assert sorted(member["role"] for member in reports.values()) == ["follower", "follower", "leader"]
    assert {name for name, member in reports.items() if member["role"] == "leader"} == {info["leader"]}
    assert {name: member["member_id"] for name, member in reports.items()} == {member["name"]: member["id"] for member in info["members"]}
    for member in reports.values():
        assert (member["has_leader"], member["problem"], member["quota_mib"]) == (True, None, 64)
        assert 0 <= member["db_mib"] < 10

    for host in etcd_hosts.hosts[1:]:
        host.systemctl("stop")
    deadline = time.monotonic() + 30
    while (alone := etcd_metrics.ask(metrics["etcd-0"]))["has_leader"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert alone["role"] == "follower"
    assert alone["problem"] in ("RAFT NO LEADER", "its health: no answer within 3 seconds")


def test_nodes_are_read_through_the_endpoint_or_from_a_server_behind_it(apiserver, tmp_path):
    cluster = Kubernetes(apiserver.kubeconfig, 10)
    condition = {"type": "Ready", "status": "True", "message": "fine"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "10.0.0.21"}, "spec": {"unschedulable": True}}
    cluster.apply(node)
    try:
        status = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "10.0.0.21"}, "status": {"conditions": [condition]}}
        headers = {"Content-Type": "application/merge-patch+json"}
        cluster.request("PATCH", "/api/v1/nodes/10.0.0.21/status", status, headers)
        options = {"kubeconfig": apiserver.kubeconfig, "servers": [], "seconds": 5}
        found = cluster_status(options)
        assert found["endpoint"]["problem"] is None
        assert found["nodes"]["10.0.0.21"] == {
            "ready": True,
            "condition": "Ready",
            "message": "fine",
            "schedulable": False,
            "version": "",
            "pressure": [],
        }
        assert found["certificate"]["common_name"] == "admin"

        # The endpoint refuses connections, but a server behind it answers.
        own, (free,) = f"https://127.0.0.1:{apiserver.port}", free_ports(1)
        elsewhere = tmp_path / "kubeconfig"
        with open(apiserver.kubeconfig, encoding="utf-8") as file:
            elsewhere.write_text(file.read().replace(own, f"https://127.0.0.1:{free}"))
        found = cluster_status({**options, "kubeconfig": str(elsewhere), "servers": [own]})
        assert "refused" in found["endpoint"]["problem"]
        assert found["nodes"]["10.0.0.21"]["ready"]
        assert cluster_status({**options, "kubeconfig": str(elsewhere)})["nodes"] is None
    finally:
        cluster.request("DELETE", "/api/v1/nodes/10.0.0.21")

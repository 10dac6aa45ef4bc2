# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Health checks of a real etcd and a real API server."""

from __future__ import annotations

import datetime
import os
import signal
import socket
import socketserver
import subprocess
import threading
import time

import pytest
from _etcd import free_ports
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd import metrics as etcd_metrics
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import Kubernetes
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.status import cluster_status
from ansible_collections.cfcr.kubernetes.plugins.module_utils._timestamp import to_timestamp

VOLUME = {
    "apiVersion": "v1",
    "kind": "PersistentVolume",
    "metadata": {"name": "on-one-disk"},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "storageClassName": "local",
        "local": {"path": "/data"},
        "nodeAffinity": {
            "required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["10.0.0.21"]}]}]}
        },
    },
}


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
    def received_by_the_leader():
        time.sleep(1)  # what was on its way
        before = etcd_metrics.ask(metrics[info["leader"]])["received"]
        time.sleep(1)
        return before, etcd_metrics.ask(metrics[info["leader"]])["received"]

    reports = {name: etcd_metrics.ask(url) for name, url in metrics.items()}
    info = etcd_hosts.info()
    assert sorted(member["role"] for member in reports.values()) == ["follower", "follower", "leader"]
    assert {name for name, member in reports.items() if member["role"] == "leader"} == {info["leader"]}
    assert {name: member["member_id"] for name, member in reports.items()} == {member["name"]: member["id"] for member in info["members"]}
    for member in reports.values():
        assert (member["has_leader"], member["problem"], member["quota_mib"]) == (True, None, 64)
        assert 0 <= member["db_mib"] < 10

    # The leader receives messages of every member that works, at every moment. So it is a witness for or against their hosts.
    ids = {name: member["member_id"] for name, member in reports.items()}
    before, now = received_by_the_leader()
    assert {name for name, identity in ids.items() if now.get(identity) != before.get(identity)} == ids.keys() - {info["leader"]}
    follower = next(host for host in etcd_hosts.hosts if host.name != info["leader"])
    pid = int(subprocess.run(["pgrep", "--full", f"data-dir={follower.data}"], check=True, capture_output=True, text=True).stdout)
    os.kill(pid, signal.SIGSTOP)  # its connections stay
    try:
        before, now = received_by_the_leader()
        assert now[ids[follower.name]] == before[ids[follower.name]]
    finally:
        os.kill(pid, signal.SIGCONT)
    etcd_hosts.await_healthy(3)

    for host in etcd_hosts.hosts[1:]:
        host.systemctl("stop")
    deadline = time.monotonic() + 30
    while (alone := etcd_metrics.ask(metrics["etcd-0"]))["has_leader"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert alone["role"] == "follower"
    assert alone["problem"] in ("RAFT NO LEADER", "its health: no answer within 3 seconds")


def test_a_restore_asks_for_the_revision_of_a_member(etcd_hosts, metrics):
    """Without a password, since that may be lost with the store."""
    host = etcd_hosts.hosts[0]
    asked = {"phase": "query", "id": "prod-20261129T221500Z.cfcr", "endpoints": [], "password": None, "metrics": metrics[host.name].removesuffix("/readyz")}
    before = host.run("etcd_restore", **asked)["living"]
    written = host.run("etcd_key", key="/a", value="b", password=None)["revision"]
    assert (before, host.run("etcd_restore", **asked)["living"]) == (written - 1, written)
    host.systemctl("stop")
    assert host.run("etcd_restore", **asked)["living"] == 0


def test_nodes_are_read_through_the_endpoint_or_from_a_server_behind_it(apiserver, tmp_path):
    cluster = Kubernetes(apiserver.kubeconfig, 10)
    since = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=90)
    condition = {"type": "Ready", "status": "True", "message": "fine", "lastTransitionTime": to_timestamp(since)}
    labels = {"kubernetes.io/hostname": "10.0.0.21"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "10.0.0.21", "labels": labels}, "spec": {"unschedulable": True}}
    cluster.apply(node)
    cluster.apply(VOLUME)
    try:
        status = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "10.0.0.21"}, "status": {"conditions": [condition]}}
        headers = {"Content-Type": "application/merge-patch+json"}
        cluster.request("PATCH", "/api/v1/nodes/10.0.0.21/status", status, headers)
        options = {"kubeconfig": apiserver.kubeconfig, "servers": [], "seconds": 5}
        found = cluster_status(options)
        assert found["endpoint"]["problem"] is None
        assert 90 <= found["nodes"]["10.0.0.21"].pop("seconds") < 120
        assert found["nodes"]["10.0.0.21"] == {
            "ready": True,
            "condition": "Ready",
            "message": "fine",
            "schedulable": False,
            "version": "",
            "pressure": [],
        }
        assert found["certificate"]["common_name"] == "admin"

        assert (found["volumes"], found["probes"]) == (None, {})
        own, (free,) = f"https://127.0.0.1:{apiserver.port}", free_ports(1)
        with socket.create_server(("127.0.0.1", 0)) as hanging, socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as closing:
            threading.Thread(target=closing.handle_request, daemon=True).start()  # as a proxy without servers does
            ports = {"refusing": free, "hanging": hanging.getsockname()[1], "closing": closing.server_address[1]}
            probes = {"here": own, **{name: f"https://127.0.0.1:{port}" for name, port in ports.items()}}
            found = cluster_status({**options, "volumes": True, "probes": probes, "seconds": 2})
        assert found["volumes"] == {"10.0.0.21": ["on-one-disk"]}
        assert found["nodes"]["10.0.0.21"]["ready"]
        assert found["probes"] == {
            "here": None, "closing": None, "refusing": "[Errno 111] Connection refused", "hanging": "no answer within 2 seconds",
        }  # fmt: skip

        # The endpoint refuses connections, but a server behind it answers.
        elsewhere = tmp_path / "kubeconfig"
        with open(apiserver.kubeconfig, encoding="utf-8") as file:
            elsewhere.write_text(file.read().replace(own, f"https://127.0.0.1:{free}"))
        found = cluster_status({**options, "kubeconfig": str(elsewhere), "servers": [own]})
        assert "refused" in found["endpoint"]["problem"]
        assert found["nodes"]["10.0.0.21"]["ready"]
        assert cluster_status({**options, "kubeconfig": str(elsewhere)})["nodes"] is None
    finally:
        cluster.request("DELETE", "/api/v1/nodes/10.0.0.21")
        cluster.request("DELETE", "/api/v1/persistentvolumes/on-one-disk")

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The space of a real etcd: quota, alarm, defragmentation; and the members that its hosts know."""

from __future__ import annotations

import json
import threading
import time

import pytest
from _etcd import AUTH, free_ports
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd import metrics, peers
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.client import Etcd, EtcdError, to_bytes

QUOTA = 64 << 20
VALUE = to_bytes("x" * (1 << 20))


@pytest.fixture
def cluster(etcd_hosts):
    """Return a cluster with a small quota."""
    for host, port in zip(etcd_hosts.hosts, free_ports(3)):
        host.metrics = f"http://127.0.0.1:{port}"
        host.write_unit(**{"quota-backend-bytes": QUOTA, "listen-metrics-urls": host.metrics})
    for answer in etcd_hosts.join():
        assert answer.get("changed"), answer
    assert etcd_hosts.hosts[0].run("etcd_auth", **AUTH).get("changed")
    return etcd_hosts


def fill(cluster, keys: list[str]) -> list[str]:
    """Write a MiB to each key, and return the errors. Writing a key again leaves its former value in the history."""
    etcd, errors = Etcd({**cluster.connection(), "user": "root", "timeout": 10}), []
    for key in keys:
        try:
            etcd.call("/v3/kv/put", {"key": to_bytes(key), "value": VALUE})
        except EtcdError as error:
            errors.append(error.reason)
    return errors


def compact(cluster) -> None:
    """Drop the history, as the API servers do every five minutes."""
    status = json.loads(cluster.etcdctl("endpoint", "status", "--write-out=json").stdout)
    assert cluster.etcdctl("compact", str(status[0]["Status"]["header"]["revision"]), "--physical").returncode == 0


def leader(cluster) -> str:
    return cluster.info()["leader"]


def test_a_full_cluster_reports_it_and_accepts_writes_after_its_defragmentation(cluster):
    errors = fill(cluster, ["/registry/large"] * 80)
    assert errors and "database space exceeded" in errors[-1]
    state = metrics.ask(f"{cluster.hosts[0].metrics}/readyz")
    assert "NOSPACE" in state["problem"]
    assert state["db_mib"] > 0.8 * state["quota_mib"] == 0.8 * 64
    first = leader(cluster)

    planned = cluster.hosts[0].run("etcd_defragment", check=True)
    assert planned["changed"] and [entry["name"] for entry in planned["databases"]][-1] == first
    assert cluster.info()["alarms"]

    done = cluster.hosts[0].run("etcd_defragment")
    assert done["changed"] and done["alarms"] == ["NOSPACE"], done
    assert [entry["name"] for entry in done["databases"]][-1] == first
    assert all(entry["before_mib"] > 50 and entry["after_mib"] < 5 for entry in done["databases"])
    info = cluster.info()
    assert info["healthy"] and not info["alarms"]
    assert not fill(cluster, ["/registry/large"] * 5)
    assert not cluster.hosts[0].run("etcd_defragment")["changed"]


def test_a_cluster_answers_while_its_members_defragment(cluster):
    assert not fill(cluster, ["/registry/large"] * 20)
    compact(cluster)
    # A member may compact after the command has returned, and bbolt frees the pages in a later transaction, of which an idle cluster has none.
    deadline = time.monotonic() + 30
    while (state := metrics.ask(f"{cluster.hosts[0].metrics}/readyz"))["in_use_mib"] >= 5:
        assert time.monotonic() < deadline, state
        assert cluster.etcdctl("put", "/registry/small", "x").returncode == 0
    assert state["db_mib"] > 15
    stop, failures, writes = threading.Event(), [], []

    def write():
        while not stop.is_set():
            done = cluster.etcdctl("put", "/registry/small", "x", host=len(writes) % 3)
            (failures if done.returncode else writes).append(done.stderr)
            time.sleep(0.05)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = cluster.hosts[0].run("etcd_defragment")
    finally:
        stop.set()
        writer.join()
    assert done["changed"] and len(done["databases"]) == 3 and not done["alarms"], done
    assert writes and not failures
    again = cluster.hosts[0].run("etcd_defragment")
    assert not again["changed"] and again["databases"] == []


def test_a_cluster_that_is_not_healthy_is_left_alone(cluster):
    assert not fill(cluster, ["/registry/large"] * 20)
    compact(cluster)
    cluster.hosts[2].systemctl("stop")
    refused = cluster.hosts[0].run("etcd_defragment")
    assert refused["failed"] and "etcd-2" in refused["msg"] and "expected all 3 healthy" in refused["msg"]
    assert metrics.ask(f"{cluster.hosts[0].metrics}/readyz")["db_mib"] > 15


def set_quota(cluster, size: int) -> None:
    """Restart the members with another quota, one after the other."""
    for host in cluster.hosts:
        host.write_unit(**{"quota-backend-bytes": size, "listen-metrics-urls": host.metrics})
        host.systemctl("restart")
        cluster.await_healthy(3)


def test_a_database_that_stays_full_needs_a_larger_quota(cluster):
    assert not fill(cluster, [f"/registry/{number}" for number in range(40)])
    set_quota(cluster, QUOTA // 2)
    assert fill(cluster, ["/registry/one-more"])
    refused = cluster.hosts[0].run("etcd_defragment")
    assert refused["failed"] and "of 32 MiB" in refused["msg"] and "Raise etcd_quota_mib" in refused["msg"]
    assert cluster.info()["alarms"]
    set_quota(cluster, QUOTA)
    assert cluster.hosts[0].run("etcd_defragment")["alarms"] == ["NOSPACE"]
    assert not cluster.info()["alarms"] and not fill(cluster, ["/registry/one-more"])


def test_a_host_names_all_members_without_a_password(cluster, tmp_path):
    host = cluster.hosts[1]
    flags = {
        "listen-peer-urls": host.peer_url, "peer-trusted-ca-file": f"{cluster.pki / 'ca.crt'}",
        "peer-cert-file": f"{cluster.pki / 'peer.crt'}", "peer-key-file": f"{cluster.pki / 'peer.key'}",
    }  # fmt: skip
    record = tmp_path / "etcd.json"
    record.write_text(json.dumps({"units": [{"name": "etcd", "flags": flags}]}))
    told = peers.members(record)
    assert [(member["id"], member["name"], member["peer_urls"]) for member in told] == sorted(
        (member["id"], member["name"], member["peer_urls"]) for member in cluster.info()["members"]
    )
    addresses = {host.name: "127.0.0.9" for host in cluster.hosts[:2]}
    assert list(peers.strangers(told, addresses)) == ["etcd-2 (127.0.0.1)"]
    host.systemctl("stop")
    assert peers.members(record) is None

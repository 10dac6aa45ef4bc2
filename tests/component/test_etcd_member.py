# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""etcd_member against real etcd processes: bootstrapping, lost disks, interruptions, and refusals."""

from __future__ import annotations

import datetime
import os
import shutil
import signal
import subprocess
import time

import pytest
from _etcd import PASSWORD, Cluster, result
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization


def assert_unchanged(cluster, **options):
    for answer in cluster.join(bootstrapped=True, **options):
        assert answer.get("changed") is False, answer


def precious(cluster, host=0):
    return cluster.etcdctl("get", "/registry/precious", "--print-value-only", host=host).stdout.strip()


def test_bootstraps_once(etcd_hosts):
    for answer in etcd_hosts.join():
        assert answer.get("changed") and answer["steps"] == ["bootstrap"], answer
    info = etcd_hosts.await_healthy(3)
    assert info["healthy"] and info["leader"] in etcd_hosts.members and info["quorum"]["reached"]
    assert not any(host.bootstrap_file.exists() for host in etcd_hosts.hosts)
    assert_unchanged(etcd_hosts)
    assert_unchanged(etcd_hosts, check=True)


def test_check_mode_does_not_bootstrap(etcd_hosts):
    before = [host.snapshot() for host in etcd_hosts.hosts]
    for answer in etcd_hosts.join(check=True):
        assert answer["changed"] and answer["steps"] == ["bootstrap"]
        assert answer["diff"]["before"]["role"] == "none" and answer["diff"]["after"]["role"] == "member"
    assert [host.snapshot() for host in etcd_hosts.hosts] == before


def test_hosts_may_bootstrap_one_after_another(etcd_hosts):
    """When the third host starts, the other two already form a cluster with quorum."""
    for host in etcd_hosts.hosts:
        assert host.member()["steps"] == ["bootstrap"]
        if host is etcd_hosts.hosts[1]:
            etcd_hosts.hosts[0].run("etcd_auth", enabled=False)  # waits for the quorum
    assert etcd_hosts.await_healthy(3)["healthy"]


def test_first_member_loses_its_disk(etcd_cluster):
    before = etcd_cluster.await_healthy(3)
    first = etcd_cluster.hosts[0]
    first.lose_disk()
    nothing = first.snapshot()
    answer = first.member(bootstrapped=True, check=True)
    assert answer["changed"] and answer["steps"] == ["remove", "add", "promote"], answer
    assert first.snapshot() == nothing
    answer = first.member(bootstrapped=True)
    assert answer["changed"] and answer["steps"] == ["remove", "add", "promote"], answer
    after = etcd_cluster.await_healthy(3)
    assert after["cluster_id"] == before["cluster_id"] and after["healthy"]
    ids = [{member["name"]: member["id"] for member in info["members"]}["etcd-0"] for info in (before, after)]
    assert ids[0] != ids[1]
    assert precious(etcd_cluster) == "kept"
    assert_unchanged(etcd_cluster)


def test_a_lost_disk_is_replaced_even_if_bootstrapping_was_not_recorded(etcd_cluster):
    """The run that bootstrapped the cluster was interrupted before it recorded the cluster ID."""
    etcd_cluster.hosts[1].lose_disk()
    answer = etcd_cluster.hosts[1].member(bootstrapped=False)
    assert answer["steps"] == ["remove", "add", "promote"], answer
    assert precious(etcd_cluster, host=1) == "kept"


def test_refuses_without_quorum(etcd_cluster):
    etcd_cluster.hosts[2].systemctl("stop")
    etcd_cluster.hosts[0].lose_disk()
    answer = etcd_cluster.hosts[0].member(bootstrapped=True)
    assert answer["failed"] and "has no quorum" in answer["msg"] and "backup" in answer["msg"]
    for host in etcd_cluster.hosts:
        assert host.client_url in answer["msg"]
    assert f"{etcd_cluster.hosts[2].client_url}: connection refused" in answer["msg"]
    assert etcd_cluster.hosts[0].snapshot() == {"paths": [], "running": False}


def test_interrupted_after_add(etcd_cluster):
    """The learner is in the member list, but its host has no data of it."""
    lost = etcd_cluster.hosts[1]
    lost.lose_disk()
    ids = {member["name"]: member["id"] for member in etcd_cluster.info()["members"]}
    assert etcd_cluster.etcdctl("member", "remove", ids["etcd-1"]).returncode == 0
    deadline = time.monotonic() + 20
    while etcd_cluster.etcdctl("member", "add", "etcd-1", "--learner", f"--peer-urls={lost.peer_url}").returncode:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert lost.member(bootstrapped=True)["steps"] == ["remove", "add", "promote"]
    assert etcd_cluster.await_healthy(3)["healthy"]
    assert precious(etcd_cluster, host=1) == "kept"


def test_interrupted_before_promotion(etcd_cluster):
    """The module dies after it has started the unit; the next run promotes the learner."""
    lost = etcd_cluster.hosts[2]
    lost.lose_disk()
    process = lost.begin_member(bootstrapped=True)
    while not (lost.data / "member" / "wal").exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    answer = lost.member(bootstrapped=True)
    assert not answer.get("failed") and set(answer["steps"]) <= {"settle", "promote"}, answer
    assert not lost.bootstrap_file.exists()
    assert etcd_cluster.await_healthy(3)["healthy"]
    assert_unchanged(etcd_cluster)


def test_interrupted_anywhere(etcd_cluster):
    """The module is killed after longer and longer times; the next run completes the join."""
    lost = etcd_cluster.hosts[0]
    lost.lose_disk()
    for delay in (0.5, 0.7, 0.9, 2.0, 4.0, 5.5, 6.0):
        process = lost.begin_member(bootstrapped=True)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    answer = lost.member(bootstrapped=True)
    assert not answer.get("failed"), answer
    assert etcd_cluster.await_healthy(3)["healthy"]
    assert precious(etcd_cluster) == "kept"
    assert_unchanged(etcd_cluster)


def test_removed_member_with_data(etcd_cluster):
    removed = etcd_cluster.hosts[1]
    ids = {member["name"]: member["id"] for member in etcd_cluster.await_healthy(3)["members"]}
    time.sleep(5)  # etcd refuses to remove a member while the connections of its peers are younger than this
    assert etcd_cluster.etcdctl("member", "remove", ids["etcd-1"]).returncode == 0
    etcd_cluster.await_healthy(2)
    answer = removed.member(bootstrapped=True)
    assert answer["steps"] == ["set_aside", "add", "promote"], answer
    assert [path.name for path in removed.data.iterdir() if "removed" in path.name]
    assert etcd_cluster.await_healthy(3)["healthy"]


def test_data_of_another_cluster_is_refused(etcd_cluster):
    stranger = etcd_cluster.hosts[2]
    stranger.lose_disk()
    stranger.bootstrap_file.write_text(
        f"ETCD_INITIAL_CLUSTER=etcd-2={stranger.peer_url}\nETCD_INITIAL_CLUSTER_STATE=new\nETCD_INITIAL_CLUSTER_TOKEN=other\n"
    )
    stranger.systemctl("start")
    while not (stranger.data / "member" / "wal").exists():
        time.sleep(0.05)
    answer = stranger.member(bootstrapped=True, endpoints=[host.client_url for host in etcd_cluster.hosts[:2]])
    assert answer["failed"] and "has data of cluster" in answer["msg"], answer


def test_new_peer_url(etcd_cluster):
    moved = etcd_cluster.hosts[2]
    moved.systemctl("stop")
    moved.peer_url = moved.peer_url.replace("127.0.0.1", "127.0.0.2")
    moved.write_unit()
    answer = moved.member(bootstrapped=True)
    assert answer["changed"] and answer["steps"][0] == "start", answer
    info = etcd_cluster.await_healthy(3)
    assert {member["name"]: member["peer_urls"] for member in info["members"]}["etcd-2"] == [moved.peer_url]
    assert_unchanged(etcd_cluster)


def test_wrong_password(etcd_cluster):
    answer = etcd_cluster.hosts[0].member(bootstrapped=True, password="not it")
    assert answer["failed"] and "user root cannot log in: authentication failed" in answer["msg"]
    assert PASSWORD not in str(answer) and "not it" not in str(answer["msg"])


def test_leaves_and_joins_again(etcd_cluster):
    info = etcd_cluster.await_healthy(3)
    leader = next(host for host in etcd_cluster.hosts if host.name == info["leader"])
    time.sleep(5)
    before = leader.snapshot()
    assert leader.member(state="absent", check=True)["steps"] == ["move_leader", "remove", "stop"]
    assert leader.snapshot() == before
    answer = leader.member(state="absent", remove_data=True)
    assert answer["steps"] == ["move_leader", "remove", "stop", "delete"], answer
    assert not (leader.data / "member").exists()
    answer = leader.member(state="absent", remove_data=True)
    assert answer["changed"] is False
    remaining = [host for host in etcd_cluster.hosts if host is not leader]
    remaining[0].systemctl("stop")
    answer = remaining[1].member(name=remaining[1].name, state="absent")
    assert answer["failed"]
    remaining[0].systemctl("start")
    assert leader.member(bootstrapped=True)["steps"] == ["add", "promote"]
    assert etcd_cluster.await_healthy(3)["healthy"]


def test_removal_that_costs_the_quorum_is_refused(etcd_cluster):
    etcd_cluster.hosts[2].systemctl("stop")
    answer = etcd_cluster.hosts[0].run("etcd_member", name="etcd-1", state="absent")
    assert answer["failed"] and "1 of the 2 other members are healthy, 2 are needed" in answer["msg"], answer
    assert "etcd-2" in answer["msg"] and "connection refused" in answer["msg"]


def test_two_hosts_join_at_once(etcd_hosts):
    """Scale-out from one to three: etcd admits one learner at a time."""
    first, *others = etcd_hosts.hosts
    assert first.member(members={first.name: first.peer_url})["changed"]
    assert not etcd_hosts.hosts[0].run("etcd_auth", enabled=False)["changed"]
    processes = [host.begin_member(bootstrapped=True, wait_timeout=60) for host in others]
    for answer in map(result, processes):
        assert answer.get("changed") and answer["steps"] == ["add", "promote"], answer
    assert etcd_hosts.await_healthy(3)["healthy"]


def test_a_frozen_host_does_not_block_the_others(etcd_cluster):
    """The other members of the run are neither changed nor blocked."""
    leader = etcd_cluster.hosts[0].run("etcd_cluster_info")["leader"]
    # Freeze a follower, because without the leader the others would first wait for an election.
    frozen = next(host for host in etcd_cluster.hosts[1:] if host.name != leader)
    pid = int((frozen.directory / "supervisor.pid").read_text())
    child = int(open(f"/proc/{pid}/task/{pid}/children").read().split()[0])
    os.kill(child, signal.SIGSTOP)  # its connections stay open, but it does not answer
    try:
        begin = time.monotonic()
        answer = etcd_cluster.hosts[0].member(bootstrapped=True, timeout=60)
        assert answer.get("changed") is False, answer
        assert time.monotonic() - begin < 30, "the module waited for the frozen member"
    finally:
        os.kill(child, signal.SIGCONT)


@pytest.fixture
def one_member(tmp_path, etcd_programs, etcd_pki):
    """Return a cluster of one member, with certificates that a test may replace."""
    cluster = Cluster(tmp_path, etcd_programs, shutil.copytree(etcd_pki, tmp_path / "pki"), count=1)
    try:
        assert cluster.hosts[0].member().get("changed")
        yield cluster
    finally:
        cluster.close()


def expired(pki) -> bytes:
    """Return the server's certificate as it would be if it had expired an hour ago."""
    valid = x509.load_pem_x509_certificate((pki / "server.crt").read_bytes())
    authority = serialization.load_pem_private_key((pki / "ca.key").read_bytes(), None)
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(valid.issuer, valid.subject, valid.public_key(), x509.random_serial_number(), extensions=list(valid.extensions))
    builder = builder.not_valid_before(now - datetime.timedelta(hours=2)).not_valid_after(now - datetime.timedelta(hours=1))
    return builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_a_member_that_started_with_an_expired_certificate_is_joined_right_after_the_renewal(one_member):
    """Until gRPC's backoff is over, the member is healthy, but its JSON gateway does not reach it."""
    host, certificate = one_member.hosts[0], one_member.pki / "server.crt"
    valid = certificate.read_bytes()
    certificate.write_bytes(expired(one_member.pki))
    host.systemctl("restart")
    # The gateway of etcd 3.7 connects when it is asked for the first time.
    user = ["--cert", one_member.pki / "kube-apiserver.crt", "--key", one_member.pki / "kube-apiserver.key"]
    ask = ["curl", "--silent", "--insecure", "--max-time", "1", *user, "--data", "{}", f"{host.client_url}/v3/maintenance/status"]
    deadline = time.monotonic() + 60
    while "expired certificate" not in (host.directory / "log").read_text(errors="replace"):
        subprocess.run(ask, check=False, capture_output=True)
        assert time.monotonic() < deadline
        time.sleep(0.05)
    certificate.write_bytes(valid)
    answer = host.member(bootstrapped=True)
    assert not answer.get("failed") and not answer["changed"], answer

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""etcd_auth, etcd_key and etcd_cluster_info against real etcd processes, verified with etcdctl."""

from __future__ import annotations

import copy

from _etcd import AUTH, PASSWORD


def test_users_have_access_to_their_keys_only(etcd_cluster):
    flannel = {"user": "flannel"}
    assert etcd_cluster.etcdctl("put", "/coreos.com/network/subnets/10.200.1.0-24", "{}", **flannel).returncode == 0
    assert etcd_cluster.etcdctl("get", "/coreos.com/network/config", **flannel).returncode == 0
    for arguments in (("get", "/registry/precious"), ("put", "/coreos.com/network/config", "{}")):
        denied = etcd_cluster.etcdctl(*arguments, **flannel)
        assert denied.returncode != 0 and "permission denied" in denied.stderr
    assert "kept" in etcd_cluster.etcdctl("get", "/registry/precious", user="kube-apiserver").stdout
    nobody = etcd_cluster.etcdctl("get", "/registry/precious", user="server")
    assert nobody.returncode != 0


def test_second_run_and_check_mode_change_nothing(etcd_cluster):
    host = etcd_cluster.hosts[1]
    for options in ({}, {"check": True}, {"update_password": "always"}):
        answer = host.run("etcd_auth", **AUTH, **options)
        assert answer["changed"] is False and answer["cluster_id"] == etcd_cluster.info()["cluster_id"], answer


def test_additional_permissions_are_revoked(etcd_cluster):
    host = etcd_cluster.hosts[0]
    for arguments in (
        ("role", "grant-permission", "flannel", "read", "/registry/", "--prefix"),
        ("role", "grant-permission", "kube-apiserver", "read", "/registry/", "--prefix"),
        ("user", "grant-role", "flannel", "kube-apiserver"),
    ):
        assert etcd_cluster.etcdctl(*arguments).returncode == 0
    assert host.run("etcd_auth", **AUTH, check=True)["changed"]
    assert "permission denied" not in etcd_cluster.etcdctl("get", "/registry/precious", user="flannel").stderr
    assert host.run("etcd_auth", **AUTH)["changed"]
    assert "permission denied" in etcd_cluster.etcdctl("get", "/registry/precious", user="flannel").stderr
    assert host.run("etcd_auth", **AUTH)["changed"] is False


def test_update_password_rotates_the_password_of_root(etcd_cluster):
    rotated = copy.deepcopy(AUTH)
    rotated["users"][0]["password"] = "another one"
    host = etcd_cluster.hosts[0]
    assert host.run("etcd_auth", **rotated)["changed"] is False
    answer = host.run("etcd_auth", **rotated, update_password="always")
    assert answer["changed"] and "another one" not in str(answer["diff"]) and PASSWORD not in str(answer["diff"])
    assert host.run("etcd_auth", **rotated, update_password="always")["changed"] is False
    wrong = host.run("etcd_auth", **AUTH)
    assert wrong["failed"] and "user root cannot log in" in wrong["msg"]
    assert host.run("etcd_auth", **rotated, password="another one")["changed"] is False


def test_interrupted_before_enabling(etcd_hosts):
    """root exists with another password. The module sets the new one before it enables authentication, so nobody is locked out."""
    etcd_hosts.join()
    host = etcd_hosts.hosts[0]
    half = copy.deepcopy(AUTH)
    half["users"][0]["password"] = "older"
    assert host.run("etcd_auth", **{**half, "enabled": False})["changed"]
    assert host.run("etcd_auth", **{**half, "enabled": False})["changed"] is False
    answer = host.run("etcd_auth", **AUTH)
    assert answer["changed"] and answer["diff"]["before"]["users"]["root"]["password"] == "old"
    assert host.run("etcd_auth", **AUTH)["changed"] is False
    assert host.run("etcd_auth", enabled=False)["changed"]
    assert host.run("etcd_auth", enabled=False)["changed"] is False


def test_missing_and_wrong_passwords_are_reported(etcd_cluster):
    host = etcd_cluster.hosts[0]
    missing = host.run("etcd_key", key="/a", value="b", password=None)
    assert missing["failed"] and "Set password to the one of user root" in missing["msg"]
    wrong = host.run("etcd_key", key="/a", value="b", password="wrong")
    assert wrong["failed"] and "user root cannot log in: authentication failed" in wrong["msg"]


def test_key(etcd_cluster):
    host = etcd_cluster.hosts[2]
    key = {"key": "/coreos.com/network/config", "value": '{"Network": "10.200.0.0/16"}'}
    assert host.run("etcd_key", **key, check=True)["changed"]
    assert etcd_cluster.etcdctl("get", key["key"]).stdout == ""
    assert host.run("etcd_key", **key)["diff"] == {"before": {"key": key["key"], "value": None}, "after": key}
    written = host.run("etcd_key", **key)
    assert written["changed"] is False and written["revision"] > 0
    # Somebody changes the value: it is restored, but not the revision.
    assert etcd_cluster.etcdctl("put", key["key"], "{}").returncode == 0
    assert host.run("etcd_key", **key)["revision"] == host.run("etcd_key", **key)["revision"] == written["revision"] + 2
    assert etcd_cluster.etcdctl("get", key["key"], "--print-value-only").stdout.strip() == key["value"]
    assert host.run("etcd_key", key=key["key"], state="absent")["changed"]
    assert host.run("etcd_key", key=key["key"], state="absent")["changed"] is False


def test_check_mode_needs_no_cluster(etcd_hosts):
    host = etcd_hosts.hosts[0]
    for module, options in (("etcd_auth", AUTH), ("etcd_key", {"key": "/a", "value": "b"})):
        answer = host.run(module, **options, check=True)
        assert answer["changed"] and "connection refused" in answer["diff"]["before"]["not compared"], answer
        assert host.run(module, **options, timeout=1, **({"wait_timeout": 0} if module == "etcd_auth" else {}))["failed"]


def test_info_names_unhealthy_members(etcd_cluster):
    assert etcd_cluster.await_healthy(3)["healthy"]
    etcd_cluster.hosts[2].systemctl("stop")
    info = etcd_cluster.await_healthy(2)
    gone = next(member for member in info["members"] if member["name"] == "etcd-2")
    assert not info["healthy"] and not gone["healthy"] and "connection refused" in gone["problem"]
    assert info["quorum"] == {"voters": 3, "healthy": 2, "needed": 2, "reached": True}
    alive = [member for member in info["members"] if member["healthy"]]
    assert len({member["version"] for member in alive}) == 1
    assert all(member["db_size"] > 0 and member["raft_index"] > 0 for member in alive)
    etcd_cluster.hosts[1].systemctl("stop")
    info = etcd_cluster.info()
    assert not info["healthy"] and not info["quorum"]["reached"] and info["members"] == []
    assert set(info["problems"]) == {host.client_url for host in etcd_cluster.hosts}


def test_wait_timeout_limits_the_wait_for_a_healthy_member(etcd_hosts):
    answer = etcd_hosts.hosts[0].run("etcd_auth", **AUTH, wait_timeout=0.3)
    assert answer["failed"] and "no member of etcd is healthy after 0.3 seconds" in answer["msg"]
    assert all(host.client_url in answer["msg"] for host in etcd_hosts.hosts)

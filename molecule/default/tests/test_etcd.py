# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""etcd as its members and its clients see it."""

from __future__ import annotations

import base64
import json

import scenario

testinfra_hosts = ["ansible://etcd-0?force_ansible=False"]

API_SERVER = "/etc/kubernetes/pki/etcd-client"
FLANNEL = "/etc/flannel/pki/etcd-client"


def test_three_members_are_voters(etcdctl):
    members = json.loads(etcdctl(scenario.host("master-0"), API_SERVER, "member", "list", "--write-out", "json").stdout)["members"]
    assert sorted(member["name"] for member in members) == ["etcd-0", "etcd-1", "etcd-2"]
    assert not [member for member in members if member.get("isLearner")]


def test_flannel_can_read_its_own_keys_only(etcdctl):
    worker = scenario.host("worker-1")
    allowed = etcdctl(worker, FLANNEL, "get", "/coreos.com/network/config")
    assert '"Network": "10.200.0.0/16"' in allowed.stdout
    for arguments in (("get", "/registry/", "--prefix"), ("put", "/registry/mine", "x"), ("get", "/", "--prefix")):
        refused = etcdctl(worker, FLANNEL, *arguments)
        assert refused.rc != 0 and "permission denied" in refused.stderr


def test_flannel_can_write_leases_but_not_the_configuration(etcdctl):
    """Every flanneld obeys the configuration, and every host has this certificate."""
    worker, config = scenario.host("worker-1"), "/coreos.com/network/config"
    for arguments in (("put", config, "{}"), ("del", config), ("put", "/coreos.com/network/other", "x"), ("del", "/coreos.com/network", "--prefix")):
        refused = etcdctl(worker, FLANNEL, *arguments)
        assert refused.rc != 0 and "permission denied" in refused.stderr
    lease = "/coreos.com/network/subnets/molecule"  # not a network, so every flanneld ignores it
    assert etcdctl(worker, FLANNEL, "put", lease, "x").stdout == "OK\n"
    assert etcdctl(worker, FLANNEL, "del", lease).stdout == "1\n"


def test_flannel_cannot_connect_as_a_peer():
    """The same CA signs its certificate, and a peer can read every key. So it is refused even where the firewall lets connections through."""
    worker, member = scenario.host("worker-1"), scenario.host("etcd-1")
    ask = "curl --silent --show-error --http1.1 --cacert {ca} --cert {certificate}.crt --key {certificate}.key https://etcd-0.etcd.cfcr.internal:{port}/version"
    assert "etcdserver" in worker.check_output(ask.format(ca="/etc/flannel/pki/etcd-ca.crt", certificate=FLANNEL, port=2379))
    copied = member.check_output("mktemp --directory --tmpdir=/run")
    try:
        for suffix in ("crt", "key"):
            content = base64.b64encode(worker.file(f"{FLANNEL}.{suffix}").content).decode()
            member.check_output(f"echo {content} | base64 --decode >{copied}/client.{suffix}")
        refused = member.run(ask.format(ca="/etc/etcd/pki/ca.crt", certificate=f"{copied}/client", port=2380))
    finally:
        member.check_output(f"rm --recursive {copied}")
    assert refused.rc != 0 and not refused.stdout and "alert" in refused.stderr


def test_the_api_server_can_read_its_own_keys_only(etcdctl):
    refused = etcdctl(scenario.host("master-0"), API_SERVER, "get", "/coreos.com/network/config")
    assert refused.rc != 0 and "permission denied" in refused.stderr


def test_secrets_are_encrypted_at_rest(etcdctl):
    secret = scenario.get("secrets", "--namespace", "kube-system")["items"][0]["metadata"]["name"]
    stored = etcdctl(scenario.host("master-0"), API_SERVER, "get", f"/registry/secrets/kube-system/{secret}", "--print-value-only | head --bytes 27")
    assert stored.stdout.startswith("k8s:enc:secretbox:v1:key-1:")


def test_clients_without_a_certificate_are_refused(host):
    assert host.run("curl --silent --insecure https://127.0.0.1:2379/version").rc != 0
    assert host.run("curl --silent http://127.0.0.1:2379/version").rc != 0


def test_no_two_members_share_a_certificate():
    fingerprints = {
        scenario.host(f"etcd-{index}").check_output(f"openssl x509 -noout -fingerprint -in /etc/etcd/pki/{name}.crt")
        for index in range(3)
        for name in ("server", "peer")
    }
    assert len(fingerprints) == 6

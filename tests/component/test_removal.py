# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a removal takes out of a real etcd and a real API server: members, leases of flannel, Nodes."""

from __future__ import annotations

import json
import time

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import Kubernetes
from ansible_collections.cfcr.kubernetes.plugins.modules import node_removal

PREFIX = "/coreos.com/network/subnets/"
LEASES = {"10.200.1.0-24": "10.0.0.21", "10.200.2.0-24": "10.0.0.22"}


def test_leases_of_hosts_that_left_are_deleted(etcd_cluster):
    host = etcd_cluster.hosts[0]
    for subnet, address in LEASES.items():
        host.run("etcd_key", key=f"{PREFIX}{subnet}", value=json.dumps({"PublicIP": address, "BackendType": "vxlan"}))
    host.run("etcd_key", key="/coreos.com/network/config", value="{}")
    expected = {"10.200.2.0-24": "10.0.0.22"}
    answer = host.run("flannel_lease", addresses=["10.0.0.22", "10.0.0.99"], check=True)
    assert answer["changed"] and answer["leases"] == expected
    assert host.run("flannel_lease", addresses=["10.0.0.22"])["leases"] == expected
    assert not host.run("flannel_lease", addresses=["10.0.0.22"])["changed"]
    left = etcd_cluster.etcdctl("get", "--prefix", "--keys-only", "/coreos.com/").stdout.split()
    assert left == ["/coreos.com/network/config", f"{PREFIX}10.200.1.0-24"]


def test_members_leave_from_another_host_the_leader_last(etcd_cluster):
    """As playbook remove does it, with the first member among them."""
    leader = etcd_cluster.await_healthy(3)["leader"]
    last = next(host for host in etcd_cluster.hosts if host.name != leader and host.name != "etcd-0" or leader == "etcd-0" and host.name == "etcd-2")
    others = sorted((host for host in etcd_cluster.hosts if host is not last), key=lambda host: host.name == leader)
    steps = [last.member(name=host.name, state="absent")["steps"] for host in others]
    assert steps == [["remove"], ["move_leader", "remove"]]
    assert [member["name"] for member in etcd_cluster.info(etcd_cluster.hosts.index(last))["members"]] == [last.name]
    assert not last.member(name="etcd-0", state="absent")["changed"]


def test_a_member_that_has_never_started_is_removed_by_its_id(etcd_cluster):
    etcd_cluster.await_healthy(3)
    deadline = time.monotonic() + 30  # etcd adds members when its connections are five seconds old
    while (added := etcd_cluster.etcdctl("member", "add", "new", "--learner", "--peer-urls=https://127.0.0.1:9", "--write-out=json")).returncode:
        assert time.monotonic() < deadline, added.stderr
        time.sleep(1)
    identity = f"{json.loads(added.stdout)['member']['ID']:x}"
    assert etcd_cluster.hosts[0].member(name=identity, state="absent")["steps"] == ["remove"]
    assert len(etcd_cluster.info()["members"]) == 3


@pytest.fixture
def remove(apiserver, capsys):
    def call(*names, **options):
        given = options if "keep" in options else {"names": list(names), **options}
        with patch_module_args({"kubeconfig": apiserver.kubeconfig, **given}), pytest.raises(SystemExit):
            node_removal.main()
        return json.loads(capsys.readouterr().out)

    return call


def test_nodes_are_deleted_and_dead_ones_marked_before(apiserver, remove, monkeypatch):
    cluster = Kubernetes(apiserver.kubeconfig, 30)
    for name in ("10.0.0.23", "10.0.0.24"):
        cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "removal"}})
    cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "removal"}})
    pod = {"nodeName": "10.0.0.24", "containers": [{"name": "main", "image": "none"}]}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "removal"}, "spec": pod})
    assert remove("10.0.0.23", "10.0.0.24", _ansible_check_mode=True)["nodes"] == ["10.0.0.23", "10.0.0.24"]
    assert remove("10.0.0.23", "10.0.0.99")["nodes"] == ["10.0.0.23"]
    assert not remove("10.0.0.23")["changed"]
    # No controllers run here, so the pod stays. The taint is there before the Node is deleted.
    marked = []
    request = Kubernetes.request

    def watch(self, method, path, *arguments, **query):
        if method == "DELETE":
            marked.extend(request(self, "GET", path)["spec"].get("taints", []))
        return request(self, method, path, *arguments, **query)

    monkeypatch.setattr(Kubernetes, "request", watch)
    answer = remove("10.0.0.24", dead=["10.0.0.24"], wait=1)
    assert answer["left"] == ["Pod removal/web on 10.0.0.24"]
    assert "node.kubernetes.io/out-of-service" in [taint["key"] for taint in marked]
    assert cluster.request("GET", "/api/v1/nodes/10.0.0.24") is None


def test_all_nodes_but_those_that_stay_are_deleted_with_their_pods(apiserver, remove):
    """After a restore onto other hosts, nothing has noticed yet that the former ones do not exist."""
    cluster = Kubernetes(apiserver.kubeconfig, 30)
    for name in ("10.0.1.21", "10.0.1.22", "10.0.1.23"):
        cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "restored"}})
    cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "restored"}})
    for number in (1, 2):
        pod = {"nodeName": f"10.0.1.2{number}", "containers": [{"name": "main", "image": "none"}]}
        cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"web-{number}", "namespace": "restored"}, "spec": pod})
    others = [node["metadata"]["name"] for node in cluster.request("GET", "/api/v1/nodes")["items"] if not node["metadata"]["name"].startswith("10.0.1.")]
    answer = remove(keep=["10.0.1.21", *others], wait=5)
    assert (sorted(answer["nodes"]), answer["left"]) == (["10.0.1.22", "10.0.1.23"], [])
    pods = cluster.request("GET", "/api/v1/namespaces/restored/pods")["items"]
    assert [pod["metadata"]["name"] for pod in pods] == ["web-1"]
    assert not remove(keep=["10.0.1.21", *others])["changed"]

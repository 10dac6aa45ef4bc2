# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module node_drain against a real API server. There is no kubelet: with a grace period of 0, the API server removes evicted pods itself."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import Kubernetes
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.drain import OWNER, WAITS
from ansible_collections.cfcr.kubernetes.plugins.modules import node_drain

NAME = "10.0.0.21"
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NAME}}
CONTROLLER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "0", "controller": True}


def pod(name, *owners, annotations=None, labels=None):
    metadata = {"name": name, "namespace": "default", "ownerReferences": list(owners), "annotations": annotations or {}, "labels": labels or {}}
    spec = {"nodeName": NAME, "containers": [{"name": "main", "image": "none"}], "automountServiceAccountToken": False}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.fixture
def cluster(apiserver):
    """Return a client of a cluster with one node, without pods."""
    client = Kubernetes(apiserver.kubeconfig, 20)
    client.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}})
    client.apply(NODE)
    yield client
    for kind, group in (("Pod", ""), ("PodDisruptionBudget", "policy")):
        for obj in client.list(group, kind, "default"):
            path = f"/api/v1/namespaces/default/pods/{obj['metadata']['name']}" if kind == "Pod" else client._path(obj)
            client.request("DELETE", path, {"gracePeriodSeconds": 0}, {"Content-Type": "application/json"})
    client.delete(client.get(NODE))


@pytest.fixture
def drain(apiserver, capsys):
    """Return a function that calls the module."""

    def call(state="drained", fails=False, check=False, **options):
        arguments = {"kubeconfig": apiserver.kubeconfig, "name": NAME, "state": state, "owner": "update-1", "timeout": 5, "grace_period": 0, **options}
        with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            node_drain.main()
        result = json.loads(capsys.readouterr().out)
        assert bool(result.get("failed")) == fails, result
        return result

    return call


def state(cluster):
    node = cluster.get(NODE)
    return node["spec"].get("unschedulable", False), (node["metadata"].get("annotations") or {}).get(OWNER)


def names(cluster):
    """Return the pods of the node. Tests of other files leave pods without a node."""
    return sorted(obj["metadata"]["name"] for obj in cluster.list("", "Pod", "default") if obj["spec"].get("nodeName") == NAME)


def protect(cluster):
    """Create a running pod and its PodDisruptionBudget, which allows nothing without its controller. It would not protect a pending pod."""
    cluster.apply(pod("web", CONTROLLER, labels={"app": "web"}))
    status = {"status": {"phase": "Running"}}
    cluster.request("PATCH", "/api/v1/namespaces/default/pods/web/status", status, {"Content-Type": "application/merge-patch+json"})
    spec = {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}
    cluster.apply({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web", "namespace": "default"}, "spec": spec})


def test_pods_are_evicted_but_for_those_that_stay(drain, cluster):
    cluster.apply(pod("web", CONTROLLER))
    cluster.apply(pod("agent", {**CONTROLLER, "kind": "DaemonSet"}))
    predicted = drain(check=True)
    assert predicted["changed"] and predicted["evicted"] == ["default/web"] and state(cluster) == (False, None)
    result = drain()
    assert result["changed"] and result["cordoned"] and result["evicted"] == ["default/web"] and result["blocked"] == []
    assert names(cluster) == ["agent"] and state(cluster) == (True, "update-1")
    assert not drain()["changed"]


def test_only_the_owner_undoes_its_cordon(drain, cluster):
    drain()
    assert not drain("schedulable", owner="update-2")["changed"] and state(cluster)[0]
    assert drain("schedulable", check=True)["uncordoned"] == [NAME] and state(cluster)[0]
    assert drain("schedulable")["uncordoned"] == [NAME] and state(cluster) == (False, None)
    assert not drain("schedulable")["changed"]
    drain()
    assert drain("schedulable", name="")["uncordoned"] == [NAME]


def test_a_node_that_an_operator_cordoned_stays_cordoned(drain, cluster):
    cluster.request("PATCH", f"/api/v1/nodes/{NAME}", {"spec": {"unschedulable": True}}, {"Content-Type": "application/merge-patch+json"})
    assert not drain()["cordoned"]
    assert not drain("schedulable")["changed"] and state(cluster) == (True, None)


def test_a_budget_blocks_with_its_name_and_the_node_is_schedulable_again(drain, cluster):
    protect(cluster)
    cluster.apply(pod("other", CONTROLLER))
    result = drain(fails=True, timeout=2)
    assert result["evicted"] == ["default/other"] and [entry["pod"] for entry in result["blocked"]] == ["web"]
    assert "The disruption budget web" in result["blocked"][0]["reason"] and "disruption budget web" in result["msg"]
    assert state(cluster) == (False, None) and names(cluster) == ["web"]


@pytest.mark.parametrize("on_timeout", ["delete", "force"])
def test_what_a_budget_protects_can_be_deleted(drain, cluster, on_timeout):
    protect(cluster)
    assert drain(on_timeout=on_timeout, timeout=1)["evicted"] == ["default/web"]
    assert names(cluster) == [] and state(cluster)[0]


def test_a_pod_that_nothing_creates_again_blocks_at_once(drain, cluster):
    cluster.apply(pod("alone"))
    result = drain(fails=True, timeout=300)
    assert result["blocked"] == [{"pod": "alone", "namespace": "default", "reason": "no controller would create it again on another node"}]
    assert names(cluster) == ["alone"] and state(cluster) == (False, None)
    assert drain(timeout=0, on_timeout="delete")["evicted"] == ["default/alone"]


def test_a_pod_that_does_not_end_is_forced(drain, cluster):
    cluster.apply(pod("slow", CONTROLLER))
    result = drain(fails=True, timeout=2, grace_period=600)
    assert result["blocked"] == [{"pod": "slow", "namespace": "default", "reason": "it is still ending"}]
    assert drain(timeout=1, on_timeout="force")["evicted"] == ["default/slow"] and names(cluster) == []


def test_a_node_that_does_not_exist_has_nothing_to_lose(drain, cluster):
    assert not drain(name="10.0.0.99")["changed"]
    assert not drain("schedulable", name="10.0.0.99")["changed"]


def test_a_name_is_needed_to_drain(drain):
    assert "name" in drain(fails=True, name="")["msg"]


def test_nodes_that_wait_have_a_taint_until_their_owner_takes_it_back(drain, cluster):
    def taints():
        return [(taint["key"], taint["value"], taint["effect"]) for taint in cluster.get(NODE)["spec"].get("taints", []) if taint["key"] == WAITS]

    names = {"name": "", "names": [NAME, "10.0.0.99"]}
    assert drain("waiting", check=True, **names)["waiting"] == [NAME] and taints() == []
    assert drain("waiting", **names)["waiting"] == [NAME] and taints() == [(WAITS, "update-1", "PreferNoSchedule")]
    assert not drain("waiting", **names)["changed"]
    drain()
    assert not drain("schedulable", owner="update-2", name="")["changed"] and taints()
    assert drain("schedulable", name="")["uncordoned"] == [NAME]
    assert taints() == [] and state(cluster) == (False, None)

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module kubernetes_obstacles_info against a real API server. Without controllers, the tests write the status of objects."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import Kubernetes
from ansible_collections.cfcr.kubernetes.plugins.modules import kubernetes_obstacles_info

MERGE = {"Content-Type": "application/merge-patch+json"}
SERVICE = {"namespace": "default", "name": "hook", "path": "/"}
HOOK = {
    "name": "pods.example.com", "failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": ["v1"], "clientConfig": {"service": SERVICE},
    # So that the tests of other files can go on, it is for no pod that they create.
    "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods/eviction"]}],
}  # fmt: skip
WEBHOOK = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "policy"}, "webhooks": [HOOK]}
BUDGET = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "none", "namespace": "default"}}


@pytest.fixture
def cluster(apiserver):
    """Return a client of a cluster with a webhook and a PodDisruptionBudget."""
    client = Kubernetes(apiserver.kubeconfig, 20)
    client.apply(WEBHOOK)
    client.apply({**BUDGET, "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "web"}}}})
    status = {"status": {"expectedPods": 2, "currentHealthy": 2, "desiredHealthy": 2, "disruptionsAllowed": 0}}
    client.request("PATCH", "/apis/policy/v1/namespaces/default/poddisruptionbudgets/none/status", status, MERGE)
    yield client
    for obj in (WEBHOOK, BUDGET):
        client.delete(client.get(obj))


@pytest.fixture
def find(apiserver, capsys):
    """Return a function that calls the module."""

    def call(**options):
        arguments = {"kubeconfig": apiserver.kubeconfig, "servers": [f"https://127.0.0.1:{apiserver.port}"], **options}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            kubernetes_obstacles_info.main()
        return json.loads(capsys.readouterr().out)

    return call


def test_what_there_is(cluster, find):
    found = find()
    assert found["problem"] is None and found["unasked"] == {}
    assert found["budgets"] == [{"name": "default/none", "pods": 2, "healthy": 2, "needed": 2}]
    assert found["webhooks"] == [
        {"name": "policy/pods.example.com", "resources": ["pods/eviction"], "everything": True, "service": "default/hook", "ready": False}
    ]


def test_a_service_with_an_endpoint(cluster, find):
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hook", "namespace": "default"}, "spec": {"ports": [{"port": 443}]}}
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "hook-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "hook"}},
        "endpoints": [{"addresses": ["192.0.2.1"], "conditions": {"ready": True}}], "ports": [{"port": 443}],
    }  # fmt: skip
    cluster.apply(service)
    cluster.apply(endpoints)
    assert [hook["ready"] for hook in find()["webhooks"]] == [True]
    for obj in (service, endpoints):
        cluster.delete(cluster.get(obj))


def test_a_server_that_does_not_answer(cluster, find):
    found = find(servers=["https://127.0.0.1:1"], timeout=2)
    assert found["problem"] is None and list(found["unasked"]) == ["https://127.0.0.1:1"]
    assert "No such file" in find(kubeconfig="/nonexistent")["problem"]

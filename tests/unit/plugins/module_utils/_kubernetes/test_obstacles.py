# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read from metrics, webhooks, endpoints and PodDisruptionBudgets."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes import obstacles
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import KubernetesError

METRICS = """\
# HELP apiserver_requested_deprecated_apis [STABLE] Gauge of deprecated APIs that have been requested, ...
# TYPE apiserver_requested_deprecated_apis gauge
apiserver_requested_deprecated_apis{group="",removed_release="",resource="componentstatuses",subresource="",version="v1"} 1
apiserver_requested_deprecated_apis{group="flowcontrol.apiserver.k8s.io",removed_release="1.32",resource="flowschemas",subresource="",version="v1beta3"} 1
apiserver_requested_deprecated_apis{group="flowcontrol.apiserver.k8s.io",removed_release="1.32",resource="flowschemas",subresource="status",version="v1beta3"} 1
apiserver_request_total{code="200",verb="LIST"} 1
"""
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
HOOK = {"name": "pods.example.com", "rules": [PODS], "failurePolicy": "Fail", "clientConfig": {"service": {"namespace": "policy", "name": "hook"}}}
CONFIGURATION = {"metadata": {"name": "policy"}}
BUDGET = {"metadata": {"namespace": "default", "name": "web"}, "status": {"expectedPods": 3, "currentHealthy": 3, "desiredHealthy": 3, "disruptionsAllowed": 0}}


def test_requested_apis_of_all_servers():
    assert obstacles.requested([METRICS, METRICS, ""]) == [{"api": "flowschemas.v1beta3.flowcontrol.apiserver.k8s.io", "removed": "1.32"}]


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ({}, ["pods"]),
        ({"operations": ["*"], "resources": ["*"]}, ["pods", "nodes"]),
        ({"apiGroups": ["*"], "operations": ["*"], "resources": ["*/*"]}, ["pods", "pods/eviction", "nodes", "nodes/status", "leases"]),
        ({"resources": ["pods/*"]}, ["pods/eviction"]),
        ({"operations": ["UPDATE"]}, []),
        ({"operations": ["UPDATE"], "resources": ["nodes"]}, ["nodes"]),
        ({"apiGroups": ["apps"], "resources": ["*"]}, []),
    ],
)
def test_resources_that_an_update_needs(rule, found):
    assert obstacles.needed([{**PODS, **rule}]) == found


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, {"everything": True, "service": "policy/hook"}),
        ({"namespaceSelector": {}, "objectSelector": {}}, {"everything": True}),
        ({"namespaceSelector": {"matchLabels": {"a": "b"}}}, {"everything": False}),
        ({"matchConditions": [{"name": "a", "expression": "true"}]}, {"everything": False}),
        ({"clientConfig": {"url": "https://example.com"}}, {"service": ""}),
        ({"failurePolicy": "Ignore"}, None),
        ({"rules": None}, None),
    ],
)
def test_webhooks_that_fail_closed(change, found):
    result = obstacles.webhook(CONFIGURATION, {**HOOK, **change})
    assert (result is None) == (found is None)
    if found:
        assert found.items() <= result.items() and result["name"] == "policy/pods.example.com"


def test_endpoints():
    ready = {"addresses": ["10.200.1.2"], "conditions": {"ready": True}}
    assert obstacles.is_ready([{"endpoints": [ready]}]) and obstacles.is_ready([{}, {"endpoints": [{"addresses": ["10.200.1.2"]}]}])
    assert not obstacles.is_ready([]) and not obstacles.is_ready([{"endpoints": None}])
    assert not obstacles.is_ready([{"endpoints": [{**ready, "conditions": {"ready": False}}]}])


def test_budgets_without_a_disruption():
    assert obstacles.budget(BUDGET) == {"name": "default/web", "pods": 3, "healthy": 3, "needed": 3}
    assert obstacles.budget({**BUDGET, "status": {**BUDGET["status"], "disruptionsAllowed": 1}}) is None
    assert obstacles.budget({**BUDGET, "status": {"expectedPods": 0}}) is None and obstacles.budget({"metadata": BUDGET["metadata"]}) is None


class Server:
    """An API server with these answers by path; an error is raised."""

    def __init__(self, answers):
        self.answers = answers

    def request(self, _method, path, **_query):
        answer = self.answers.get(path)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def text(self, path):
        return self.request("GET", path)


@pytest.fixture
def find(monkeypatch):
    """Return a function that asks an API server with such answers."""

    def ask(**changes):
        answers = {
            obstacles._LISTS["validating"]: {"items": [{**CONFIGURATION, "webhooks": [HOOK]}]},
            obstacles._LISTS["mutating"]: {"items": [CONFIGURATION]},
            obstacles._LISTS["budgets"]: {"items": [BUDGET]},
            "/metrics": METRICS,
            "/api/v1/namespaces/policy/services/hook": {"spec": {"type": "ClusterIP"}},
            **changes,
        }
        monkeypatch.setattr(obstacles, "administrator", lambda *_arguments: Server(answers))
        return obstacles.find({"servers": ["https://10.0.0.11:8443"], "timeout": 5}, False)

    return ask


def test_find(find):
    found = find()
    assert found["problem"] is None and found["unasked"] == {}
    assert len(found["apis"]) == len(found["budgets"]) == 1
    assert [hook["ready"] for hook in found["webhooks"]] == [False]


def test_a_service_outside_of_the_cluster_is_not_known_to_be_down(find):
    hooks = find(**{"/api/v1/namespaces/policy/services/hook": {"spec": {"type": "ExternalName"}}})["webhooks"]
    assert [hook["ready"] for hook in hooks] == [None]


def test_what_could_not_be_asked_is_told(find):
    refused = KubernetesError("GET /metrics: 403 Forbidden", 403)
    assert find(**{"/metrics": refused})["unasked"] == {"https://10.0.0.11:8443": "GET /metrics: 403 Forbidden"}
    assert find(**{obstacles._LISTS["budgets"]: refused})["problem"] == "GET /metrics: 403 Forbidden"
    assert "not found" in find(**{obstacles._LISTS["validating"]: None})["problem"]
    assert find(**{"/api/v1/namespaces/policy/services/hook": refused})["problem"] == "GET /metrics: 403 Forbidden"

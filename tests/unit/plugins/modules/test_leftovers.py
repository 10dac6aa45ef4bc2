# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules that delete what the cluster still has of hosts that have left: leases of flannel, and Nodes."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import KubernetesError
from ansible_collections.cfcr.kubernetes.plugins.modules import node_removal
from ansible_collections.cfcr.kubernetes.plugins.modules.flannel_lease import given, has_left, leases, replaced
from ansible_collections.cfcr.kubernetes.plugins.modules.node_removal import OUT_OF_SERVICE, Nodes, tainted


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def test_leases_have_the_addresses_of_their_hosts():
    pairs = [
        {"key": encoded("/s/10.200.1.0-24"), "value": encoded('{"PublicIP":"10.0.0.21","BackendType":"vxlan"}')},
        {"key": encoded("/s/10.200.2.0-24"), "value": encoded("no lease")},
        {"key": encoded("/s/10.200.3.0-24")},
        {"key": encoded("/s/10.200.4.0-24"), "value": encoded("[]")},
    ]
    assert leases(pairs) == {"/s/10.200.1.0-24": "10.0.0.21"}


def test_who_has_left():
    assert [has_left(address, ["a"], None) for address in "ab"] == [True, False]
    assert [has_left(address, None, ["a"]) for address in "ab"] == [False, True]


def test_hosts_get_the_leases_of_their_pods():
    found = {"10.200.1.0-24": "a", "10.200.2.0-24": "b", "10.200.3.0-24": "c", "10.200.4.0-24": "d"}
    assert given(found, {"a": "10.200.1.0/24"}) == {}
    # a has another one, c has the one that b had, and d is not asked.
    gets = given(found, {"a": "10.200.9.0/24", "b": "10.200.3.0/24"})
    assert gets == {"10.200.9.0-24": "a", "10.200.3.0-24": "b"}
    assert replaced(found, gets) == {"10.200.1.0-24": "a", "10.200.2.0-24": "b"}


def test_a_subnet_that_two_hosts_name_stays_as_it_is():
    found = {"10.200.1.0-24": "a"}
    assert given(found, {"a": "10.200.1.0/24", "liar": "10.200.1.0/24"}) == {}
    assert given({}, {"a": "10.200.1.0/24", "liar": "10.200.1.0/24"}) == {}


def test_a_dead_node_is_marked_once_and_keeps_its_taints():
    node = {"metadata": {"resourceVersion": "7"}, "spec": {"taints": [{"key": "mine", "effect": "NoSchedule"}]}}
    patch = tainted(node)
    assert patch["metadata"] == {"resourceVersion": "7"}
    assert patch["spec"]["taints"] == [{"key": "mine", "effect": "NoSchedule"}, OUT_OF_SERVICE]
    assert tainted({**node, "spec": patch["spec"]}) is None


class Api:
    """Nodes and pods, and the requests that change them."""

    def __init__(self):
        self.nodes = {name: {"metadata": {"name": name, "resourceVersion": "1"}, "spec": {}} for name in ("10.0.0.23", "10.0.0.24")}
        self.pods = {"10.0.0.24": 2}
        self.conflicts = 0
        self.done = []

    def request(self, method, path, body=None, headers=None, **query):
        name = path.rpartition("/")[2]
        if method == "GET" and path == "/api/v1/nodes":
            return {"items": list(self.nodes.values())}
        if method == "GET" and path.startswith("/api/v1/nodes/"):
            return self.nodes.get(name)
        if path == "/api/v1/pods":
            node = query["fieldSelector"].partition("=")[2]
            if self.pods.get(node):
                self.pods[node] -= 1
                return {"items": [{"metadata": {"namespace": "default", "name": "web-0"}}]}
            return {"items": []}
        if path.endswith("/volumeattachments"):
            return {"items": [{"spec": {"nodeName": "10.0.0.21", "source": {}}}]}
        if method == "PATCH" and self.conflicts:
            self.conflicts -= 1
            raise KubernetesError("conflict", 409)
        self.done.append((method, name))
        return {}


@pytest.fixture
def api(monkeypatch):
    monkeypatch.setattr(node_removal.time, "sleep", lambda _seconds: None)
    return Api()


def nodes(api, *names, dead=(), wait=60, keep=None):
    return Nodes(api, {"names": list(names), "keep": keep, "dead": list(dead), "wait": wait})


def test_a_drained_node_is_deleted_at_once(api):
    nodes(api, "10.0.0.23", "10.0.0.99").delete()
    assert api.done == [("DELETE", "10.0.0.23")]


def test_a_dead_node_is_deleted_after_its_pods(api):
    api.conflicts = 1
    found = nodes(api, "10.0.0.24", dead=["10.0.0.24"])
    found.delete()
    assert api.done == [("PATCH", "10.0.0.24"), ("DELETE", "10.0.0.24")]
    assert api.pods["10.0.0.24"] == 0 and found.left == []


def test_pods_that_stay_do_not_stop_the_removal(api):
    api.pods["10.0.0.24"] = 1000
    found = nodes(api, "10.0.0.24", dead=["10.0.0.24"], wait=0)
    found.delete()
    assert found.left == ["Pod default/web-0 on 10.0.0.24"] and ("DELETE", "10.0.0.24") in api.done


def test_all_nodes_but_those_that_stay_lose_their_pods_at_once(api):
    found = nodes(api, keep=["10.0.0.23"])
    found.delete()
    assert list(found.found) == ["10.0.0.24"]
    assert api.done == [("PATCH", "10.0.0.24"), ("DELETE", "web-0"), ("DELETE", "10.0.0.24")]

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What whoever drains nodes writes to them, and takes back."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes import drain
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import KubernetesError

OTHER = {"key": "example.com/other", "effect": "NoSchedule"}
MINE = {"key": drain.WAITS, "value": "update-1", "effect": "PreferNoSchedule"}


def node(owner=None, taints=None, version="7", name="10.0.0.21"):
    annotations = {drain.OWNER: owner} if owner else {}
    spec = {"taints": taints} if taints else {}
    return {"metadata": {"name": name, "annotations": annotations, "resourceVersion": version}, "spec": spec}


@pytest.mark.parametrize(
    ("before", "found"),
    [
        (node(), None),
        (node("update-2", [OTHER]), None),
        (node("update-1"), {"unschedulable": None}),
        (node(taints=[OTHER, MINE]), {"taints": [OTHER]}),
        (node("update-2", [MINE]), {"taints": None}),
        (node("update-1", [MINE]), {"unschedulable": None, "taints": None}),
        (node(taints=[{**MINE, "value": "update-2"}]), None),
    ],
)
def test_an_owner_takes_back_what_it_has_done(before, found):
    patch = drain.released(before, "update-1")
    assert (patch and patch["spec"]) == found
    assert not patch or patch["metadata"]["resourceVersion"] == "7"
    assert not patch or ("annotations" in patch["metadata"]) == ("unschedulable" in found)


@pytest.mark.parametrize(
    ("before", "found"),
    [([], [MINE]), ([OTHER], [OTHER, MINE]), ([MINE], None), ([{**MINE, "value": "update-2"}], [MINE])],
)
def test_a_taint_is_one_of_many_and_of_one_owner(before, found):
    patch = drain.waiting(node(taints=before), "update-1")
    assert (patch and patch["spec"]["taints"]) == found


class Cluster:
    """Nodes that somebody else changes once, between the time when they are read and the time when they are patched."""

    def __init__(self, nodes):
        self.nodes, self.patched, self.conflicts = nodes, [], 1

    def list(self, _group, _kind):
        return list(self.nodes.values())

    def get(self, obj):
        return self.nodes.get(obj["metadata"]["name"])

    def request(self, _method, path, patch, _headers):
        name = path.rpartition("/")[2]
        if self.conflicts:
            self.conflicts -= 1
            self.nodes[name] = node(taints=[OTHER], version="8")
            raise KubernetesError("changed", 409)
        self.patched.append((name, patch["metadata"]["resourceVersion"], patch["spec"]["taints"]))


def test_taints_of_others_are_kept_although_they_come_in_between(monkeypatch):
    cluster = Cluster({"10.0.0.21": node(), "10.0.0.22": node(name="10.0.0.22"), "10.0.0.23": node(taints=[MINE], name="10.0.0.23")})
    monkeypatch.setattr(drain, "administrator", lambda *_arguments: cluster)
    options = {"state": "waiting", "names": ["10.0.0.21", "10.0.0.23", "10.0.0.99"], "name": "", "owner": "update-1", "timeout": 1}
    assert drain.operate(options, True)["waiting"] == ["10.0.0.21"] and cluster.patched == []
    result = drain.operate(options, False)
    assert result["changed"] and result["waiting"] == ["10.0.0.21"]
    assert cluster.patched == [("10.0.0.21", "8", [OTHER, MINE])]

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Availability of objects and problems of pods."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.availability import node_problems, pod_problem, shortfall

AVAILABLE = {"type": "Available", "status": "True"}
PROGRESSING = {"type": "Progressing", "status": "True"}


def workload(kind, wanted=2, generation=1, **status):
    return {"kind": kind, "metadata": {"name": "w", "generation": generation}, "spec": {"replicas": wanted}, "status": status}


def api(kind, *conditions):
    return {"kind": kind, "metadata": {"name": "a"}, "status": {"conditions": list(conditions)}}


ROLLED = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "conditions": [AVAILABLE, PROGRESSING]}


@pytest.mark.parametrize(
    ("obj", "lacks"),
    [
        ({"kind": "ConfigMap", "metadata": {"name": "c"}}, ""),
        (workload("Deployment"), "its controller has not seen it yet"),
        (workload("Deployment", **ROLLED), ""),
        (workload("Deployment", generation=2, **ROLLED), "its controller has not seen it yet"),
        (workload("Deployment", **{**ROLLED, "updatedReplicas": 1}), "updatedReplicas is 1 of 2"),
        (workload("Deployment", **{**ROLLED, "replicas": 3}), "1 replicas of an older revision remain"),
        (
            workload("Deployment", **{**ROLLED, "availableReplicas": 0, "conditions": [
                {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable", "message": "no minimum"}, PROGRESSING]}),
            "availableReplicas is 0 of 2; Available is False: MinimumReplicasUnavailable: no minimum",
        ),
        (workload("DaemonSet", observedGeneration=1, desiredNumberScheduled=3, updatedNumberScheduled=3, numberAvailable=2),
         "numberAvailable is 2 of 3"),
        (workload("DaemonSet", observedGeneration=1, desiredNumberScheduled=3, updatedNumberScheduled=3, numberAvailable=3), ""),
        (workload("StatefulSet", observedGeneration=1, updatedReplicas=2, availableReplicas=1), "availableReplicas is 1 of 2"),
        (api("APIService"), "has no condition Available yet"),
        (api("APIService", AVAILABLE), ""),
        (api("APIService", {"type": "Available", "status": "False", "reason": "MissingEndpoints"}), "Available is False: MissingEndpoints"),
        (api("CustomResourceDefinition", {"type": "Established", "status": "True"}), ""),
    ],
)
def test_an_unavailable_object_has_a_reason(obj, lacks):
    assert shortfall(obj) == lacks


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        ({}, "is new on no node yet"),
        ({"phase": "Pending"}, "is Pending on no node yet"),
        (
            {"conditions": [{"type": "Ready", "status": "True"}],
             "containerStatuses": [{"name": "c", "ready": True, "state": {"running": {}}, "lastState": {"terminated": {"exitCode": 1}}}]},
            "",
        ),
        ({"containerStatuses": [{"name": "c", "ready": False, "state": {"running": {}}}]}, "c is not ready"),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}]},
            "PodScheduled is False: Unschedulable: 0/3 nodes",
        ),
        (
            {"containerStatuses": [{"name": "c", "ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                                    "lastState": {"terminated": {"exitCode": 2, "message": "no such flag"}}}]},
            "c: CrashLoopBackOff: back-off; c ended with exit code 2: no such flag",
        ),
        ({"initContainerStatuses": [{"name": "i", "state": {"waiting": {"reason": "ErrImagePull"}}}]}, "i: ErrImagePull"),
    ],
)
def test_a_failing_pod_has_a_problem(status, problem):
    assert pod_problem({"metadata": {"name": "p"}, "status": status}) == problem


UNSCHEDULABLE = {"status": {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}}


def test_taints_that_keep_pods_from_nodes_are_named():
    taints = {
        "full": [{"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}, {"key": "example.org/own", "value": "a", "effect": "NoExecute"}],
        "last": [{"key": "example.org/later", "effect": "PreferNoSchedule"}],
        "free": None,
    }
    nodes = [{"metadata": {"name": name}, "spec": {"taints": its}} for name, its in taints.items()]
    assert node_problems([{"status": {}}, UNSCHEDULABLE], nodes) == ["Node full has taint node.kubernetes.io/disk-pressure, example.org/own"]
    assert node_problems([{"status": {}}], nodes) == []

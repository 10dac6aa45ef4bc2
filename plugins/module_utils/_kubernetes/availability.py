# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reasons why Kubernetes objects are not available, from the objects alone."""

from __future__ import annotations

import typing as t

__all__ = ("node_problems", "pod_problem", "shortfall")

# Kinds that a controller rolls out, generation by generation.
ROLLED_OUT = ("Deployment", "DaemonSet", "StatefulSet")


def shortfall(obj: dict[str, t.Any]) -> str:
    """Return why an object is not available. It is empty if the object is available, or if its kind has no availability."""
    status = obj.get("status") or {}
    if obj["kind"] in ROLLED_OUT and status.get("observedGeneration", 0) < obj["metadata"].get("generation", 0):
        return "its controller has not seen it yet"
    check = CHECKS.get(obj["kind"])
    return check(obj.get("spec") or {}, status) if check else ""


def pod_problem(pod: dict[str, t.Any]) -> str:
    """Return why a pod is not ready. It is empty if the pod is ready."""
    status = pod.get("status") or {}
    told = [_condition(condition) for condition in _unschedulable(pod)]
    for container in (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or []):
        waiting = container.get("state", {}).get("waiting")
        ended = container.get("lastState", {}).get("terminated")
        if waiting:
            told.append(": ".join(filter(None, (container["name"], waiting.get("reason"), waiting.get("message")))))
        if ended and not container.get("ready"):
            told.append(f"{container['name']} ended with exit code {ended.get('exitCode')}: {ended.get('message') or ended.get('reason', '')}")
        elif not waiting and not container.get("ready"):
            told.append(f"{container['name']} is not ready")
    if not told and not any(condition["type"] == "Ready" and condition["status"] == "True" for condition in status.get("conditions") or []):
        told.append(f"is {status.get('phase', 'new')} on {pod.get('spec', {}).get('nodeName', 'no node yet')}")
    return "; ".join(told)


def node_problems(pods: t.Iterable[dict[str, t.Any]], nodes: t.Iterable[dict[str, t.Any]]) -> list[str]:
    """Return which taints keep pods from nodes, if a pod found no node: the message of the scheduler only counts such nodes."""
    if not any(map(_unschedulable, pods)):
        return []
    tainted = {node["metadata"]["name"]: [taint for taint in node["spec"].get("taints") or [] if taint["effect"] != "PreferNoSchedule"] for node in nodes}
    return [f"Node {name} has taint {', '.join(taint['key'] for taint in taints)}" for name, taints in tainted.items() if taints]


def _unschedulable(pod: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    return [condition for condition in (pod.get("status") or {}).get("conditions") or [] if condition.get("reason") == "Unschedulable"]


def _deployment(spec: dict[str, t.Any], status: dict[str, t.Any]) -> str:
    wanted = spec.get("replicas", 1)
    missing = _missing(status, wanted, "updatedReplicas", "availableReplicas")
    if not missing and status.get("replicas", 0) > wanted:
        missing = f"{status['replicas'] - wanted} replicas of an older revision remain"
    return "; ".join([missing, *filter(None, (_untrue(status, name) for name in ("Available", "Progressing")))]) if missing else ""


def _daemon_set(spec: dict[str, t.Any], status: dict[str, t.Any]) -> str:
    return _missing(status, status.get("desiredNumberScheduled", 0), "updatedNumberScheduled", "numberAvailable")


def _stateful_set(spec: dict[str, t.Any], status: dict[str, t.Any]) -> str:
    return _missing(status, spec.get("replicas", 1), "updatedReplicas", "availableReplicas")


def _api_service(spec: dict[str, t.Any], status: dict[str, t.Any]) -> str:
    return _untrue(status, "Available")


def _definition(spec: dict[str, t.Any], status: dict[str, t.Any]) -> str:
    return _untrue(status, "Established")


def _missing(status: dict[str, t.Any], wanted: int, *fields: str) -> str:
    return ", ".join(f"{field} is {status.get(field, 0)} of {wanted}" for field in fields if status.get(field, 0) < wanted)


def _untrue(status: dict[str, t.Any], name: str) -> str:
    """Return why a condition is not true. It is empty if the condition is true."""
    conditions = {condition["type"]: condition for condition in status.get("conditions") or []}
    if name not in conditions:
        return f"has no condition {name} yet"
    return "" if conditions[name]["status"] == "True" else _condition(conditions[name])


def _condition(condition: dict[str, t.Any]) -> str:
    return ": ".join(filter(None, (f"{condition['type']} is {condition['status']}", condition.get("reason"), condition.get("message"))))


CHECKS = {
    "Deployment": _deployment,
    "DaemonSet": _daemon_set,
    "StatefulSet": _stateful_set,
    "APIService": _api_service,
    "CustomResourceDefinition": _definition,
}

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drain a node: cordon it, evict its pods, and wait until they are gone. And make it schedulable again.

The node has an annotation with the name of whoever cordoned it, so that nobody uncordons what an operator has cordoned. Nodes that are drained later have
a taint whose value is that name, by which the scheduler prefers other nodes.
"""

from __future__ import annotations

import time
import typing as t

from .._errors import HostError
from .administrators import OPTIONS, administrator
from .client import PASSING, Kubernetes, KubernetesError

__all__ = ("OWNER", "SPEC", "WAITS", "Blocked", "operate", "released", "waiting")

OWNER = "cfcr.internal/cordoned-by"
WAITS = "cfcr.internal/drained-later-by"
SPEC: dict[str, t.Any] = {
    **OPTIONS,
    "name": {"type": "str", "default": ""},
    "names": {"type": "list", "elements": "str", "default": []},
    "state": {"type": "str", "choices": ["drained", "schedulable", "waiting"], "required": True},
    "owner": {"type": "str", "required": True},
    "timeout": {"type": "int", "default": 600},
    "grace_period": {"type": "int"},
    "on_timeout": {"type": "str", "choices": ["fail", "delete", "force"], "default": "fail"},
}
POLL_SECONDS = 1.0
# For the API server, and for pods that are deleted when the time is up.
MORE_SECONDS = 60

_MIRROR = "kubernetes.io/config.mirror"
_TOO_MANY_REQUESTS, _CONFLICT = 429, 409
_NODES = "/api/v1/nodes"
_MERGE = {"Content-Type": "application/merge-patch+json"}
_JSON = {"Content-Type": "application/json"}
_NO_CONTROLLER = "no controller would create it again on another node"

Object = t.Dict[str, t.Any]
Tell = t.Callable[[t.List[Object], float], None]


class Blocked(KubernetesError):
    """Pods are still on the node when the time is up."""

    def __init__(self, message: str, result: dict[str, t.Any]) -> None:
        super().__init__(message)
        self.result = result


def operate(options: dict[str, t.Any], check_mode: bool, tell: Tell = lambda _blocked, _seconds: None) -> dict[str, t.Any]:
    """Drain, uncordon or taint, and return the result of the module. Tell from time to time which pods block it, and for how many seconds."""
    if options["state"] == "drained" and not options["name"]:
        raise HostError("name: found none, expected the name of a node")
    cluster = administrator({**options, "timeout": options["timeout"] + MORE_SECONDS}, check_mode)
    if options["state"] == "schedulable":
        return _uncordon_all(cluster, options["name"], options["owner"], check_mode)
    if options["state"] == "waiting":
        return _taint_all(cluster, options["names"], options["owner"], check_mode)
    node = cluster.get(_node(options["name"]))
    if node is None:
        return _result(False, [])
    drain = _Drain(cluster, options, tell)
    cordons = not node["spec"].get("unschedulable", False)
    pods = drain.left()
    if check_mode:
        return _result(cordons, [_name(pod) for pod in pods])
    if cordons:
        patch = {"metadata": {"annotations": {OWNER: options["owner"]}}, "spec": {"unschedulable": True}}
        cluster.request("PATCH", f"{_NODES}/{options['name']}", patch, _MERGE)
    blocked = drain.run()
    if blocked:
        # An earlier run of the same owner may have cordoned it.
        _uncordon_all(cluster, options["name"], options["owner"], check_mode)
        reasons = "; ".join(f"{pod['namespace']}/{pod['pod']}: {pod['reason']}" for pod in blocked)
        raise Blocked(
            f"node {options['name']}: found {len(blocked)} pods after {options['timeout']} seconds, expected none: {reasons}. It is schedulable again.",
            {**_result(False, drain.evicted, blocked), "changed": bool(drain.evicted)},
        )
    return _result(cordons, drain.evicted)


def _result(cordoned: bool, evicted: list[str], blocked: t.Sequence[Object] = ()) -> dict[str, t.Any]:
    return {"changed": bool(cordoned or evicted), "cordoned": cordoned, "evicted": evicted, "blocked": list(blocked), "uncordoned": [], "waiting": []}


class _Drain:
    """The drain of one node."""

    def __init__(self, cluster: Kubernetes, options: dict[str, t.Any], tell: Tell) -> None:
        self.cluster, self.options, self.tell = cluster, options, tell
        self.evicted: list[str] = []
        self.refused: dict[str, str] = {}

    def left(self) -> list[Object]:
        """Return the pods that must leave. A pod of a DaemonSet or of the kubelet itself stays, and a finished one has nothing to lose."""
        pods = self.cluster.list("", "Pod", fieldSelector=f"spec.nodeName={self.options['name']}")
        return [pod for pod in pods if not _stays(pod)]

    def run(self) -> list[Object]:
        """Evict until all are gone or the time is up, and return those that are left with the reasons."""
        begin = time.monotonic()
        seconds, end = 0.0, self.options["timeout"]
        while True:
            pods = self.left()
            if not pods:
                return []
            late = seconds >= end
            if late and (self.options["on_timeout"] == "fail" or seconds >= end + MORE_SECONDS / 2):
                return [self._blocked(pod) for pod in pods]
            for pod in pods:
                if late:
                    self._delete(pod)
                elif not pod["metadata"].get("deletionTimestamp"):
                    self._evict(pod)
            if self.options["on_timeout"] == "fail" and all(self.refused.get(_name(pod)) == _NO_CONTROLLER for pod in pods):
                return [self._blocked(pod) for pod in pods]
            self.tell([self._blocked(pod) for pod in pods], seconds)
            time.sleep(POLL_SECONDS)
            seconds = time.monotonic() - begin

    def _evict(self, pod: Object) -> None:
        """Ask the API to evict a pod, which a PodDisruptionBudget may refuse."""
        name, metadata = _name(pod), pod["metadata"]
        if not any(owner.get("controller") for owner in metadata.get("ownerReferences", [])):
            self.refused[name] = _NO_CONTROLLER
            return
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
            "deleteOptions": {**self._grace(), "preconditions": {"uid": metadata["uid"]}},
        }
        try:
            self.cluster.request("POST", f"{_path(pod)}/eviction", body, _JSON, passing=PASSING - {_TOO_MANY_REQUESTS})
        except KubernetesError as error:
            if error.status == 0:  # the API server does not answer
                raise
            self.refused[name] = str(error).partition(": ")[2]
            return
        self.refused.pop(name, None)
        self._note(name)

    def _delete(self, pod: Object) -> None:
        """Delete a pod whatever protects it; with force, do not wait for its kubelet."""
        forced = self.options["on_timeout"] == "force"
        if pod["metadata"].get("deletionTimestamp") and not forced:
            return
        options = {**({"gracePeriodSeconds": 0} if forced else self._grace()), "preconditions": {"uid": pod["metadata"]["uid"]}}
        self.cluster.request("DELETE", _path(pod), options, _JSON)
        self._note(_name(pod))

    def _note(self, name: str) -> None:
        if name not in self.evicted:
            self.evicted.append(name)

    def _grace(self) -> dict[str, int]:
        return {} if self.options["grace_period"] is None else {"gracePeriodSeconds": self.options["grace_period"]}

    def _blocked(self, pod: Object) -> Object:
        reason = "it is still ending" if pod["metadata"].get("deletionTimestamp") else self.refused.get(_name(pod), "it is new")
        return {"pod": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"], "reason": reason}


def _uncordon_all(cluster: Kubernetes, name: str, owner: str, check_mode: bool) -> dict[str, t.Any]:
    """Uncordon the node, or all nodes without a name, if this owner has cordoned it, and remove its taint."""
    nodes = filter(None, [cluster.get(_node(name))]) if name else cluster.list("", "Node")
    found = [node["metadata"]["name"] for node in nodes if released(node, owner)]
    for its in found if not check_mode else []:
        _change(cluster, its, lambda node: released(node, owner))
    return {**_result(False, []), "changed": bool(found), "uncordoned": found}


def _taint_all(cluster: Kubernetes, names: t.Collection[str], owner: str, check_mode: bool) -> dict[str, t.Any]:
    """Have the scheduler prefer other nodes."""
    nodes = [node for node in cluster.list("", "Node") if node["metadata"]["name"] in names]
    found = [node["metadata"]["name"] for node in nodes if waiting(node, owner)]
    for its in found if not check_mode else []:
        _change(cluster, its, lambda node: waiting(node, owner))
    return {**_result(False, []), "changed": bool(found), "waiting": found}


def released(node: Object, owner: str) -> Object | None:
    """Return the patch that takes back what this owner has done to a node, or None. It fails if somebody has changed the node since."""
    cordoned = (node["metadata"].get("annotations") or {}).get(OWNER) == owner
    taints = node["spec"].get("taints") or []
    kept = [taint for taint in taints if not (taint["key"] == WAITS and taint.get("value") == owner)]
    metadata, spec = {"resourceVersion": node["metadata"]["resourceVersion"]}, {}
    if cordoned:
        metadata["annotations"], spec["unschedulable"] = {OWNER: None}, None
    if kept != taints:
        spec["taints"] = kept or None
    return {"metadata": metadata, "spec": spec} if spec else None


def waiting(node: Object, owner: str) -> Object | None:
    """Return the patch that gives a node the taint of this owner, or None if it has it."""
    taint = {"key": WAITS, "value": owner, "effect": "PreferNoSchedule"}
    taints = node["spec"].get("taints") or []
    if taint in taints:
        return None
    kept = [its for its in taints if its["key"] != WAITS]
    return {"metadata": {"resourceVersion": node["metadata"]["resourceVersion"]}, "spec": {"taints": [*kept, taint]}}


def _change(cluster: Kubernetes, name: str, patch_of: t.Callable[[Object], Object | None]) -> None:
    """Patch a node. If somebody changes it in the meantime, read it again: the list of taints is replaced as a whole."""
    while True:
        node = cluster.get(_node(name))
        patch = patch_of(node) if node else None
        if patch is None:
            return
        try:
            cluster.request("PATCH", f"{_NODES}/{name}", patch, _MERGE)
            return
        except KubernetesError as error:
            if error.status != _CONFLICT:
                raise


def _stays(pod: Object) -> bool:
    metadata = pod["metadata"]
    return (
        _MIRROR in (metadata.get("annotations") or {})
        or any(owner.get("controller") and owner["kind"] == "DaemonSet" for owner in metadata.get("ownerReferences", []))
        or pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    )


def _node(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}


def _name(pod: Object) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _path(pod: Object) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"

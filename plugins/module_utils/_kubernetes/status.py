# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The status of a cluster from outside: its endpoint, and the nodes in its API."""

from __future__ import annotations

import datetime
import time
import typing as t

from .._pki import expiry
from .._timestamp import from_timestamp
from . import volumes
from .answers import answers
from .client import Kubernetes, KubernetesError

__all__ = ("SPEC", "cluster_status", "node", "unknown")

SPEC = {
    "kubeconfig": {"type": "path", "required": True},
    "servers": {"type": "list", "elements": "str", "default": []},
    "seconds": {"type": "float", "default": 5},
    "probes": {"type": "dict", "default": {}},
    "volumes": {"type": "bool", "default": False},
}
_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
_NODES, _VOLUMES, _READY = "/api/v1/nodes", "/api/v1/persistentvolumes", "/readyz"


def cluster_status(options: dict[str, t.Any]) -> dict[str, t.Any]:
    """Query the endpoint and, if it does not answer, all servers behind it in parallel. Probe further URLs at the same time."""
    kubeconfig, seconds = options["kubeconfig"], options["seconds"]
    lists = [_NODES, _VOLUMES] if options.get("volumes") else [_NODES]
    probes = options.get("probes") or {}
    now = datetime.datetime.now(datetime.timezone.utc)

    def client(server: str | None = None) -> Kubernetes:
        return Kubernetes(kubeconfig, timeout=0, server=server)

    try:
        endpoint = client()
        questions = {(endpoint.url, path): _request(client(), path) for path in lists}
        questions |= {(name, _READY): _probe(client(url)) for name, url in probes.items()}
    except KubernetesError as error:
        return {**unknown("not queried, without a usable kubeconfig"), "refusal": str(error)}
    begin = time.monotonic()
    told = answers(questions, seconds)
    server, answer = endpoint.url, told[endpoint.url, _NODES]
    found = {"url": endpoint.url, "problem": None if _is_refusal(answer) else _problem(answer), "seconds": round(time.monotonic() - begin, 2)}
    if found["problem"]:
        told |= answers({(url, path): _request(client(url), path) for url in options["servers"] for path in lists}, seconds)
        server = next((url for url in options["servers"] if _problem(told[url, _NODES]) is None), None)
    nodes, claimed = told.get((server, _NODES)), told.get((server, _VOLUMES))
    known = isinstance(nodes, dict)
    dates = expiry.read(endpoint.certificate)[0]
    return {
        "endpoint": found,
        "refusal": next((str(error) for error in told.values() if _is_refusal(error)), None),
        "nodes": {obj["metadata"]["name"]: node(obj, now) for obj in nodes["items"]} if known else None,
        "volumes": volumes.by_node(claimed["items"], nodes["items"]) if known and isinstance(claimed, dict) else None,
        "probes": {name: _problem(told[name, _READY]) or told[name, _READY] for name in probes},
        "certificate": dates.summary(now),
    }


def unknown(problem: str) -> dict[str, t.Any]:
    """Return the status of a cluster that cannot be queried."""
    return {"endpoint": {"url": "", "problem": problem, "seconds": 0}, "refusal": None, "nodes": None, "volumes": None, "probes": {}, "certificate": None}


def node(obj: dict[str, t.Any], now: datetime.datetime) -> dict[str, t.Any]:
    """Return the status of a node."""
    status = obj.get("status", {})
    conditions = {condition["type"]: condition for condition in status.get("conditions", [])}
    ready = conditions.get("Ready", {"status": "Unknown", "message": "its kubelet has never reported"})
    return {
        "ready": ready["status"] == "True",
        "condition": {"True": "Ready", "False": "NotReady"}.get(ready["status"], "Unknown"),
        "seconds": _age(ready.get("lastTransitionTime"), now),
        "message": ready.get("message", ""),
        "schedulable": not obj["spec"].get("unschedulable", False),
        "version": status.get("nodeInfo", {}).get("kubeletVersion", ""),
        "pressure": [name for name in _PRESSURES if conditions.get(name, {}).get("status") == "True"],
    }


def _age(timestamp: t.Any, now: datetime.datetime) -> int:
    """Return the seconds since a time of the API; 0 if it is unknown or in the future."""
    try:
        since = from_timestamp(timestamp)
    except (TypeError, ValueError):
        return 0
    return max(0, int((now - since).total_seconds()))


def _request(server: Kubernetes, path: str) -> t.Callable[[], t.Any]:
    return lambda: server.request("GET", path) or {"items": []}


def _probe(server: Kubernetes) -> t.Callable[[], str | None]:
    return lambda: server.silence(_READY)


def _is_refusal(answer: t.Any) -> bool:
    """Return whether the server answers, but not this user: its certificate has expired, or it has no permission."""
    return isinstance(answer, KubernetesError) and answer.status in (401, 403)


def _problem(answer: t.Any) -> str | None:
    return str(answer) or type(answer).__name__ if isinstance(answer, Exception) else None

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The status of a cluster from outside: its endpoint, and the nodes in its API."""

from __future__ import annotations

import datetime
import time
import typing as t

from .._in_time import ask_all
from .._pki import expiry
from .client import Kubernetes, KubernetesError

__all__ = ("SPEC", "cluster_status", "node", "unknown")

SPEC = {
    "kubeconfig": {"type": "path", "required": True},
    "servers": {"type": "list", "elements": "str", "default": []},
    "seconds": {"type": "float", "default": 5},
}
_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")


def cluster_status(options: dict[str, t.Any]) -> dict[str, t.Any]:
    """Query the endpoint and, if it does not answer, all servers behind it in parallel."""
    kubeconfig, seconds = options["kubeconfig"], options["seconds"]
    try:
        endpoint = Kubernetes(kubeconfig, timeout=0)
    except KubernetesError as error:
        return unknown(str(error))
    begin = time.monotonic()
    answer = _nodes({endpoint.url: endpoint}, seconds)[endpoint.url]
    found = {"url": endpoint.url, "problem": _problem(answer), "seconds": round(time.monotonic() - begin, 2)}
    if found["problem"]:
        behind = _nodes({url: Kubernetes(kubeconfig, timeout=0, server=url) for url in options["servers"]}, seconds)
        answer = next((other for other in behind.values() if _problem(other) is None), None)
    dates = expiry.read(endpoint.certificate)[0]
    return {
        "endpoint": found,
        "nodes": answer if isinstance(answer, dict) else None,
        "certificate": dates.summary(datetime.datetime.now(datetime.timezone.utc)),
    }


def unknown(problem: str) -> dict[str, t.Any]:
    """Return the status of a cluster that cannot be queried."""
    return {"endpoint": {"url": "", "problem": problem, "seconds": 0}, "nodes": None, "certificate": None}


def node(obj: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the status of a node."""
    status = obj.get("status", {})
    conditions = {condition["type"]: condition for condition in status.get("conditions", [])}
    ready = conditions.get("Ready", {"status": "Unknown", "message": "its kubelet has never reported"})
    return {
        "ready": ready["status"] == "True",
        "condition": {"True": "Ready", "False": "NotReady"}.get(ready["status"], "Unknown"),
        "message": ready.get("message", ""),
        "schedulable": not obj["spec"].get("unschedulable", False),
        "version": status.get("nodeInfo", {}).get("kubeletVersion", ""),
        "pressure": [name for name in _PRESSURES if conditions.get(name, {}).get("status") == "True"],
    }


def _nodes(servers: dict[str, Kubernetes], seconds: float) -> dict[str, t.Any]:
    """Return the nodes, or the error, by URL."""

    def ask(server: Kubernetes) -> dict[str, t.Any]:
        answer = server.request("GET", "/api/v1/nodes")
        return {obj["metadata"]["name"]: node(obj) for obj in answer["items"]}

    answers = ask_all({url: lambda server=server: ask(server) for url, server in servers.items()}, seconds)
    late = KubernetesError(f"no answer within {seconds:g} seconds")
    return {url: answers.get(url, late) for url in servers}


def _problem(answer: t.Any) -> str | None:
    return str(answer) or type(answer).__name__ if isinstance(answer, Exception) else None

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects and clients of a cluster that an update may break, or that may block it.

An API server counts the requests for deprecated APIs. It does not tell in which version it has stored an object.
"""

from __future__ import annotations

import re
import typing as t

from .administrators import OPTIONS, MissingBinding, administrator
from .answers import answers
from .client import Kubernetes, KubernetesError

__all__ = ("SPEC", "budget", "find", "is_ready", "needed", "requested", "webhook")

SPEC: dict[str, t.Any] = {
    **OPTIONS,
    "servers": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "int", "default": 10},
}
_METRIC = re.compile(r"^apiserver_requested_deprecated_apis\{(?P<labels>[^}]*)\} 1$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_HOOKS = "/apis/admissionregistration.k8s.io/v1"
_LISTS = {
    "validating": f"{_HOOKS}/validatingwebhookconfigurations",
    "mutating": f"{_HOOKS}/mutatingwebhookconfigurations",
    "budgets": "/apis/policy/v1/poddisruptionbudgets",
}
# What an update does in the API: kubelets and the drain change nodes, pods are evicted and created again.
_NEEDED = {
    ("", "pods"): {"CREATE", "DELETE"},
    ("", "pods/eviction"): {"CREATE"},
    ("", "nodes"): {"CREATE", "UPDATE"},
    ("", "nodes/status"): {"UPDATE"},
    ("coordination.k8s.io", "leases"): {"CREATE", "UPDATE"},
}

Object = t.Dict[str, t.Any]


def find(options: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Return what there is, and why something is not known. A MissingBinding is for the caller."""
    seconds = options["timeout"]
    questions = {("", path): _listed(administrator(options, check_mode), path) for path in _LISTS.values()}
    questions |= {(url, "/metrics"): _text(administrator(options, check_mode, url)) for url in options["servers"]}
    told = answers(questions, seconds)
    for answer in told.values():
        if isinstance(answer, MissingBinding):
            raise answer
    failed = [str(told["", path]) for path in _LISTS.values() if isinstance(told["", path], Exception)]
    if failed:
        return {**nothing(), "problem": "; ".join(dict.fromkeys(failed))}
    metrics = {url: told[url, "/metrics"] for url in options["servers"]}
    configurations = [*told["", _LISTS["validating"]], *told["", _LISTS["mutating"]]]
    client = administrator(options, check_mode)
    try:
        hooks = [found for configuration in configurations for hook in configuration.get("webhooks") or [] if (found := webhook(configuration, hook))]
        webhooks = [{**found, "ready": _is_served(client, found["service"])} for found in hooks]
    except KubernetesError as error:
        return {**nothing(), "problem": str(error)}
    return {
        "problem": None,
        "apis": requested(text for text in metrics.values() if isinstance(text, str)),
        "unasked": {url: str(answer) for url, answer in metrics.items() if isinstance(answer, Exception)},
        "webhooks": webhooks,
        "budgets": [found for obj in told["", _LISTS["budgets"]] if (found := budget(obj))],
    }


def nothing() -> dict[str, t.Any]:
    """Return the result without anything."""
    return {"problem": None, "apis": [], "unasked": {}, "webhooks": [], "budgets": []}


def requested(metrics: t.Iterable[str]) -> list[dict[str, str]]:
    """Return the deprecated APIs that clients have requested, from the metrics of API servers, each with the minor that no longer serves it."""
    found: dict[str, str] = {}
    for text in metrics:
        for line in _METRIC.finditer(text):
            labels = dict(_LABEL.findall(line["labels"]))
            if labels.get("removed_release"):
                name = ".".join(filter(None, (labels.get("resource"), labels.get("version"), labels.get("group"))))
                found[name] = labels["removed_release"]
    return [{"api": name, "removed": minor} for name, minor in sorted(found.items())]


def webhook(configuration: Object, hook: Object) -> dict[str, t.Any] | None:
    """Return a webhook that fails closed on something that an update does; else nothing."""
    resources = needed(hook.get("rules") or [])
    if hook.get("failurePolicy", "Fail") != "Fail" or not resources:
        return None
    service = hook["clientConfig"].get("service")
    return {
        "name": f"{configuration['metadata']['name']}/{hook['name']}",
        "resources": resources,
        # A condition may leave out any request, so such a webhook is not certain to see one.
        "everything": not any(hook.get(name) for name in ("namespaceSelector", "objectSelector", "matchConditions")),
        "service": f"{service['namespace']}/{service['name']}" if service else "",
    }


def needed(rules: t.Iterable[Object]) -> list[str]:
    """Return the resources in rules of a webhook that an update needs."""
    return [name for (group, name), operations in _NEEDED.items() if any(_matches(rule, group, name, operations) for rule in rules)]


def _matches(rule: Object, group: str, resource: str, operations: t.Collection[str]) -> bool:
    kind, _slash, part = resource.partition("/")
    names = {resource, f"{kind}/*", f"*/{part}", "*/*"} if part else {resource, "*", "*/*"}
    return (
        bool({group, "*"} & set(rule.get("apiGroups") or ()))
        and bool(names & set(rule.get("resources") or ()))
        and bool({*operations, "*"} & set(rule.get("operations") or ()))
    )


def is_ready(slices: t.Iterable[Object]) -> bool:
    """Return whether a service has an endpoint that takes requests, from its EndpointSlices."""
    endpoints = (endpoint for its in slices for endpoint in its.get("endpoints") or [])
    return any(endpoint.get("addresses") and (endpoint.get("conditions") or {}).get("ready") is not False for endpoint in endpoints)


def budget(obj: Object) -> dict[str, t.Any] | None:
    """Return a PodDisruptionBudget that allows no eviction now; else nothing. Without pods, it has nothing to protect."""
    status = obj.get("status") or {}
    pods, healthy, wanted = (status.get(name, 0) for name in ("expectedPods", "currentHealthy", "desiredHealthy"))
    if not pods or status.get("disruptionsAllowed", 0) > 0:
        return None
    return {"name": f"{obj['metadata']['namespace']}/{obj['metadata']['name']}", "pods": pods, "healthy": healthy, "needed": wanted}


def _is_served(client: Kubernetes, service: str) -> bool | None:
    """Return whether a service has an endpoint; None if that cannot be seen, as of a name outside of the cluster."""
    if not service:
        return None
    namespace, _slash, name = service.partition("/")
    found = client.request("GET", f"/api/v1/namespaces/{namespace}/services/{name}")
    if found and found["spec"].get("type") == "ExternalName":
        return None
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    slices = client.request("GET", path, labelSelector=f"kubernetes.io/service-name={name}") or {}
    return bool(found) and is_ready(slices.get("items", []))


def _listed(client: Kubernetes, path: str) -> t.Callable[[], list[Object]]:
    return lambda: _items(client, path)


def _items(client: Kubernetes, path: str) -> list[Object]:
    answer = client.request("GET", path)
    if answer is None:
        raise KubernetesError(f"GET {path}: not found", 404)
    return answer["items"]


def _text(client: Kubernetes) -> t.Callable[[], str]:
    return lambda: client.text("/metrics")

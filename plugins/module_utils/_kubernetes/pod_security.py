# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The running pods that a stricter Pod Security level would refuse.

An API server warns of them when a namespace is about to get the level as a label. A dry run changes nothing, and needs no configuration of the
server: the check is on by default in every version.
"""

from __future__ import annotations

import re
import typing as t

from .administrators import OPTIONS, MissingBinding, administrator
from .answers import answers
from .client import Kubernetes, KubernetesError

__all__ = ("SPEC", "preview", "refusals")

SPEC = {
    **OPTIONS,
    "servers": {"type": "list", "elements": "str", "default": []},
    "level": {"type": "str", "choices": ["baseline", "restricted"], "required": True},
    "exempt_namespaces": {"type": "list", "elements": "str", "default": []},
    "formerly_exempt_namespaces": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "int", "default": 60},
}
ENFORCE = "pod-security.kubernetes.io/enforce"
_ANSWER_SECONDS = 10

# What an API server's Pod Security says, see its function EvaluatePodsInNamespace.
_VIOLATIONS = re.compile(r'existing pods in namespace "[^"]*" violate the new PodSecurity enforce level ')
_POD = re.compile(r"(?P<pod>[a-z0-9][a-z0-9.-]*)(?: \(and (?P<others>\d+) other pods?\))?: (?P<reason>.+)")
_INCOMPLETE = re.compile(r"new PodSecurity enforce level only checked against |failed to list pods while checking new PodSecurity ")
_EXEMPT = re.compile(r'namespace "[^"]*" is exempt from Pod Security')

Refusal = t.Dict[str, t.Any]


def preview(options: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Return the pods that the level would refuse, or the reason why they are not known. A MissingBinding is for the caller."""
    try:
        cluster, namespaces = _answering(options, check_mode)
        return {"problem": None, "refused": [refusal for namespace in namespaces for refusal in _refused(cluster, namespace, options)]}
    except MissingBinding:
        raise
    except KubernetesError as error:
        return {"problem": str(error), "refused": []}


def refusals(namespace: str, warnings: t.Sequence[str]) -> list[Refusal]:
    """Return the pods that the warnings of a dry run name. Pods with one reason are one entry, as the server counts them.

    An entry without a pod says why pods were not checked. Warnings of other admission plugins do not count.
    """
    violations = any(_VIOLATIONS.match(warning) for warning in warnings)
    found = []
    for warning in warnings:
        pod = _POD.fullmatch(warning) if violations else None
        if pod:
            found.append({"namespace": namespace, "pod": pod["pod"], "others": int(pod["others"] or 0), "reason": pod["reason"]})
        elif _INCOMPLETE.match(warning) or _EXEMPT.match(warning):
            found.append({"namespace": namespace, "pod": "", "others": 0, "reason": warning})
    return found


def _answering(options: dict[str, t.Any], check_mode: bool) -> tuple[Kubernetes, list[dict[str, t.Any]]]:
    """Return the first server that answers, and its namespaces. The endpoint comes first."""
    endpoint = administrator(options, check_mode)
    behind = [url for url in options["servers"] if url != endpoint.url]
    clients = {endpoint.url: endpoint, **{url: administrator(options, check_mode, url) for url in behind}}
    told = answers({url: lambda client=client: client.request("GET", "/api/v1/namespaces")["items"] for url, client in clients.items()}, _ANSWER_SECONDS)
    for url, namespaces in told.items():
        if isinstance(namespaces, list):
            return clients[url], namespaces
        if isinstance(namespaces, MissingBinding):
            raise namespaces
    raise KubernetesError("; ".join(f"{url}: {error}" for url, error in told.items()))


def _refused(cluster: Kubernetes, namespace: dict[str, t.Any], options: dict[str, t.Any]) -> list[Refusal]:
    """Return the pods of a namespace that the level would refuse."""
    name, labels = namespace["metadata"]["name"], namespace["metadata"].get("labels") or {}
    if name in options["exempt_namespaces"] or labels.get(ENFORCE) == "privileged":
        return []
    if name in options["formerly_exempt_namespaces"]:
        pods = (cluster.request("GET", f"/api/v1/namespaces/{name}/pods") or {}).get("items", [])
        reason = f"{len(pods)} {'pod' if len(pods) == 1 else 'pods'}, which the API servers do not check as long as the namespace is exempt"
        return [{"namespace": name, "pod": "", "others": 0, "reason": reason}] if pods else []
    if ENFORCE in labels:
        return []
    patch = {"metadata": {"labels": {ENFORCE: options["level"]}}}
    cluster.request("PATCH", f"/api/v1/namespaces/{name}", patch, {"Content-Type": "application/merge-patch+json"}, dryRun="All")
    return refusals(name, cluster.warnings)

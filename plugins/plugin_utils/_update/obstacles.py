# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an update may break and what may block it, as module kubernetes_obstacles_info has found it. Only what is certain to break is a reason to refuse."""

from __future__ import annotations

import typing as t

from .rules import numbers

__all__ = ("refusals", "warnings")

Values = t.Mapping[str, t.Any]


def refusals(found: Values, drained: t.Collection[str]) -> t.Iterator[str]:
    """Yield why an update is certain to fail, or why nobody knows. Drained are the workers that the plan drains."""
    if found["problem"]:
        yield f"the API: found {found['problem']}, expected lists of webhooks and PodDisruptionBudgets: run health, and repair the masters"
    for hook in found["webhooks"]:
        if _is_broken(hook, drained):
            yield (
                f"webhook {hook['name']}: found no endpoint of its service {hook['service']}, expected one: it fails closed, so the API refuses "
                f"{', '.join(hook['resources'])}. Bring its pods back, or delete it"
            )


def warnings(found: Values, minor: str, drained: t.Collection[str]) -> t.Iterator[str]:
    """Yield what the operator should know."""
    for api in found["apis"]:
        if numbers(api["removed"]) <= numbers(minor):
            yield (
                f"clients have requested {api['api']}, which Kubernetes {api['removed']} no longer serves: update them first. "
                "Audit logs have their names next to k8s.io/deprecated"
            )
    for url, reason in found["unasked"].items():
        yield f"which deprecated APIs clients have requested from {url} is not known: {reason}"
    for hook in found["webhooks"]:
        resources = ", ".join(hook["resources"])
        if hook["ready"] is False and not _is_broken(hook, drained):
            share = "all" if hook["everything"] else "some"
            yield f"webhook {hook['name']} fails closed on {share} {resources}, and its service {hook['service']} has no endpoint"
        elif hook["everything"] and hook["ready"] is not False:
            served = f"its service {hook['service']}" if hook["service"] else "its URL"
            yield f"webhook {hook['name']} fails closed on all {resources}: while {served} does not answer, the API refuses them"
    for budget in found["budgets"] if drained else ():
        kind = "never allows an eviction" if budget["needed"] >= budget["pods"] else "allows no eviction now"
        yield (
            f"PodDisruptionBudget {budget['name']} {kind}: {budget['healthy']} of {budget['pods']} pods are healthy, it needs {budget['needed']}. "
            "A worker with such a pod is not drained"
        )


def _is_broken(hook: Values, drained: t.Collection[str]) -> bool:
    """Return whether no pod could move to another worker."""
    return bool(hook["everything"] and hook["ready"] is False and drained)

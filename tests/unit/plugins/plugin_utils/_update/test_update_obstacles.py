# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an update may break: refused if that is certain, else named with the plan."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.obstacles import nothing
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._update.plan import Refused
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._update.text import text
from test_update_plan import NEW, NEWER, OLD, cluster, planned, release

HOOK = {"name": "policy/pods.example.com", "resources": ["pods"], "everything": True, "service": "policy/hook", "ready": True}
BUDGET = {"name": "default/web", "pods": 3, "healthy": 3, "needed": 3}


def named(hosts=None, now=OLD, to=NEW, rollback=False, begun=False, **found):
    return planned(hosts, now, to, rollback=rollback, begun=begun, obstacles={**nothing(), **found})["warnings"]


def test_nothing_to_name():
    assert named() == []
    assert planned()["warnings"] == []


def test_apis_that_the_new_version_no_longer_serves():
    apis = [{"api": "a.v1beta1.example.com", "removed": "1.36"}, {"api": "b.v1beta1.example.com", "removed": "1.37"}]
    assert [line.split(",")[0] for line in named(apis=apis)] == ["clients have requested a.v1beta1.example.com"]
    assert len(named(cluster(release("1.35.4", "3.6.16")), to=NEWER, apis=apis)) == 2
    assert "https://10.0.0.12:8443 is not known: timed out" in named(unasked={"https://10.0.0.12:8443": "timed out"})[0]


@pytest.mark.parametrize(
    ("hook", "found"),
    [
        ({}, ["webhook policy/pods.example.com fails closed on all pods: while its service policy/hook does not answer, the API refuses them"]),
        ({"ready": None, "service": ""}, ["webhook policy/pods.example.com fails closed on all pods: while its URL does not answer, the API refuses them"]),
        ({"everything": False}, []),
        ({"everything": False, "ready": False}, ["webhook policy/pods.example.com fails closed on some pods, and its service policy/hook has no endpoint"]),
    ],
    ids=["all", "url", "some", "some and down"],
)
def test_webhooks_are_named(hook, found):
    assert named(webhooks=[{**HOOK, **hook}]) == found


def test_a_webhook_that_refuses_all_pods_is_a_reason_to_refuse_unless_no_pod_moves_or_it_goes_back():
    broken = [{**HOOK, "ready": False}]
    with pytest.raises(Refused, match="policy/pods.example.com: found no endpoint of its service policy/hook, expected one"):
        named(webhooks=broken)
    assert named(cluster(NEW), NEW, NEW, webhooks=broken) == []
    patch = named(cluster(NEW), NEW, release("1.36.4"), webhooks=broken)
    assert patch == ["webhook policy/pods.example.com fails closed on all pods, and its service policy/hook has no endpoint"]
    assert len(named(cluster(NEW), NEW, release("1.35.4", "3.6.16"), rollback=True, webhooks=broken)) == 1


def test_an_api_that_cannot_be_asked_is_not_one_without_obstacles():
    with pytest.raises(Refused, match="the API: found 403 Forbidden, expected lists of webhooks"):
        named(problem="403 Forbidden")
    assert named(begun=True, problem="403 Forbidden")[0].startswith("the API: found 403 Forbidden")


def test_budgets_are_named_if_workers_are_drained():
    never, now = named(budgets=[BUDGET, {**BUDGET, "healthy": 2, "needed": 2}])
    assert never.startswith("PodDisruptionBudget default/web never allows an eviction: 3 of 3 pods are healthy, it needs 3.")
    assert now.startswith("PodDisruptionBudget default/web allows no eviction now: 2 of 3 pods are healthy, it needs 2.")
    assert named(cluster(NEW), NEW, release("1.36.4"), budgets=[BUDGET]) == []


def test_warnings_are_shown_after_the_plan_and_are_no_part_of_it():
    made = planned(obstacles={**nothing(), "budgets": [BUDGET]})
    assert text(made)[-1].startswith("Warning: PodDisruptionBudget default/web")
    assert made["id"] == planned()["id"]

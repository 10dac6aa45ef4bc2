# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Status of nodes in the health report."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes import status as kubernetes_status

NOW = datetime.datetime(2026, 11, 21, 10, 0, 0, tzinfo=datetime.timezone.utc)


def conditions(**statuses):
    since = "2026-11-21T09:58:30Z"
    return [{"type": name, "status": status, "message": f"{name} is {status}", "lastTransitionTime": since} for name, status in statuses.items()]


@pytest.mark.parametrize(("status", "condition"), [("True", "Ready"), ("False", "NotReady"), ("Unknown", "Unknown")])
def test_the_status_of_a_node_is_its_condition(status, condition):
    obj = {"spec": {}, "status": {"conditions": conditions(Ready=status, DiskPressure="False", PIDPressure="True")}}
    assert kubernetes_status.node(obj, NOW) == {
        "ready": status == "True",
        "condition": condition,
        "seconds": 90,
        "message": f"Ready is {status}",
        "schedulable": True,
        "version": "",
        "pressure": ["PIDPressure"],
    }


def test_a_new_node_is_unknown_and_a_cordoned_node_unschedulable():
    node = kubernetes_status.node({"spec": {"unschedulable": True}}, NOW)
    assert (node["condition"], node["seconds"], node["schedulable"]) == ("Unknown", 0, False)


@pytest.mark.parametrize("since", ["2026-11-21T10:00:07Z", "yesterday", None, 7])
def test_a_condition_that_seems_to_begin_later_or_never_has_lasted_for_no_time(since):
    ready = {"type": "Ready", "status": "False", "lastTransitionTime": since}
    assert kubernetes_status.node({"spec": {}, "status": {"conditions": [ready]}}, NOW)["seconds"] == 0


def test_a_missing_kubeconfig_says_nothing_of_the_endpoint(tmp_path):
    found = kubernetes_status.cluster_status({"kubeconfig": str(tmp_path / "kubeconfig"), "servers": [], "seconds": 1})
    assert "No such file" in found["refusal"]
    assert (found["endpoint"]["url"], found["nodes"]) == ("", None)

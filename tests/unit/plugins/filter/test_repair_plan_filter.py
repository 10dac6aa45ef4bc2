# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the filter, which come from the inventory or the command line."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.cfcr.kubernetes.plugins.filter.repair_plan import repair_plan

ETCD = {"voters": 1, "needed": 1, "asked": 1, "healthy": 1}
HOST = {"group": "worker", "address": "10.0.0.21", "state": "unreachable", "error": "timed out"}
REPORT = {"hosts": {"worker-0": HOST}, "cluster": {"etcd": ETCD}, "findings": []}
API = {"nodes": {}, "volumes": {"10.0.0.21": ["pv\x1b[31m"]}, "probes": {}}


def test_witnesses_and_the_record_are_results_of_modules():
    made = repair_plan(REPORT, creates_hosts=True, witnesses={"provider": {}, "api": API}, record={"recreations": [], "now": 1e9, "problem": None})
    assert made["recreate"] == ["worker-0"]
    assert made["losses"] == {"worker-0": "local volumes for good: pv\ufffd[31m"}


def test_without_witnesses_nothing_is_recreated():
    skipped = {"changed": False, "skipped": True}
    assert not repair_plan(REPORT, creates_hosts=True)["acts"]
    assert not repair_plan(REPORT, creates_hosts=True, witnesses={"provider": {}, "api": skipped}, record=skipped)["acts"]


@pytest.mark.parametrize(("value", "recreated"), [(0, []), ("0", []), ("1", ["worker-0"])])
def test_the_limit_can_come_from_the_command_line(value, recreated):
    assert repair_plan(REPORT, creates_hosts=True, recreate=["worker-0"], recreations_per_hour=value)["recreate"] == recreated


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"recreate": ["worker-7"]}, "repair_recreate: found worker-7"),
        ({"recreations_per_hour": -1}, "found -1, expected a whole number"),
        ({"recreations_per_hour": 1.5}, "found 1.5, expected a whole number"),
        ({"recreations_per_hour": True}, "found True, expected a whole number"),
        ({"recreations_per_hour": "many"}, "found many, expected a whole number"),
    ],
)
def test_bad_options_are_refused(options, found):
    with pytest.raises(AnsibleFilterError, match=found):
        repair_plan(REPORT, **options)

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Metrics and health of an etcd member."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd import metrics

METRICS = """\
# HELP etcd_server_has_leader Whether or not a leader exists. 1 is existence, 0 is not.
# TYPE etcd_server_has_leader gauge
etcd_server_has_leader 1
etcd_server_id{server_id="8e9e05c52164694d"} 1
etcd_server_is_leader 0
etcd_server_is_learner 0
etcd_server_quota_backend_bytes 2.147483648e+09
etcd_mvcc_db_total_size_in_bytes 2.2048768e+07
etcd_mvcc_db_total_size_in_use_in_bytes 1.048576e+07
etcd_network_peer_received_bytes_total{From="0"} 8360
etcd_network_peer_received_bytes_total{From="91bc3c398fb3c146"} 2.235756e+06
"""


def test_the_state_of_a_member_is_read_from_its_metrics():
    assert metrics.parse(METRICS) == {
        "role": "follower",
        "member_id": "8e9e05c52164694d",
        "has_leader": True,
        "db_mib": 21.0,
        "in_use_mib": 10.0,
        "quota_mib": 2048,
        "received": {"0": 8360, "91bc3c398fb3c146": 2235756},
    }


@pytest.mark.parametrize(("gauge", "role"), [("is_leader", "leader"), ("is_learner", "learner")])
def test_a_member_has_one_role(gauge, role):
    assert metrics.parse(METRICS.replace(f"etcd_server_{gauge} 0", f"etcd_server_{gauge} 1"))["role"] == role


def test_a_member_without_metrics_has_no_leader():
    assert not metrics.parse("")["has_leader"]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ('{"health":"true","reason":""}', None),
        ('{"health":"false","reason":"ALARM NOSPACE"}', "ALARM NOSPACE"),
        ("404 page not found\n", "404 page not found"),
        ("", "no answer"),
    ],
)
def test_health_reports_alarms(answer, problem):
    assert metrics.problem(answer) == problem

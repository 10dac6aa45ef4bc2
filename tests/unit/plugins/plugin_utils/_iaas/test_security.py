# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules of security groups at AWS."""

from __future__ import annotations

import pytest

from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._iaas.security import aws_security_rules

RULE = {"proto": "tcp", "from_port": 8443, "to_port": 8443}


def opening(client):
    return {"protocol": "tcp", "first": 8443, "last": 8443, "client": client, "purpose": "The API"}


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("worker", [{**RULE, "rule_desc": "The API, for worker", "group_id": ["sg-1"]}]),
        pytest.param("pods", [{**RULE, "rule_desc": "The API, for worker", "group_id": ["sg-1"]}], id="pods connect from their worker's address"),
        ("director", [{**RULE, "rule_desc": "The API, for director", "cidr_ip": ["192.0.2.0/24"]}]),
        pytest.param("proxy", [], id="a group that the cluster does not have"),
    ],
)
def test_client_is_a_group_or_a_network(client, expected):
    assert aws_security_rules([opening(client)], {"worker": "sg-1"}, {"director": ["192.0.2.0/24"]}) == expected


def test_pods_and_workers_share_one_rule():
    rules = aws_security_rules([opening("worker"), opening("pods"), {**opening("pods"), "first": 10250, "last": 10250}], {"worker": "sg-1"}, {})
    assert [(rule["from_port"], rule["to_port"]) for rule in rules] == [(8443, 8443), (10250, 10250)]

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of a security group at AWS, made of the openings of a firewall."""

from __future__ import annotations

import typing as t

__all__ = ("aws_security_rules",)

Values = t.Mapping[str, t.Any]


def aws_security_rules(openings: t.Iterable[Values], group_ids: t.Mapping[str, str], networks: t.Mapping[str, list[str]]) -> list[dict[str, t.Any]]:
    """Return the rules as ec2_security_group takes them, without those for clients that the cluster does not have.

    Pods reach other hosts through their worker, whose address the packets then have. Pods and workers may need the same port, and AWS refuses
    a rule that is given twice.
    """
    rules: list[dict[str, t.Any]] = []
    for opening in openings:
        client = "worker" if opening["client"] == "pods" else opening["client"]
        if client in group_ids:
            source: dict[str, t.Any] = {"group_id": [group_ids[client]]}
        elif client in networks:
            source = {"cidr_ip": networks[client]}
        else:
            continue
        rule = {
            "proto": opening["protocol"],
            "from_port": opening["first"],
            "to_port": opening["last"],
            "rule_desc": f"{opening['purpose']}, for {client}",
            **source,
        }
        if rule not in rules:
            rules.append(rule)
    return rules

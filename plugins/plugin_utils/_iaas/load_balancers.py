# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The load balancers of an IaaS: listeners with their targets, and the form in which Amazon's modules take them."""

from __future__ import annotations

import typing as t

__all__ = ("aws_load_balancers", "load_balancers")

Values = t.Mapping[str, t.Any]


def load_balancers(hosts: t.Sequence[Values], wanted: t.Iterable[Values]) -> list[dict[str, t.Any]]:
    """Return the load balancers that have listeners, each listener with its targets and their health check."""
    return [
        {"name": balancer["name"], "listeners": [_listener(hosts, balancer, listener) for listener in balancer["listeners"]]}
        for balancer in wanted
        if balancer["listeners"]
    ]


def _listener(hosts: t.Sequence[Values], balancer: Values, listener: Values) -> dict[str, t.Any]:
    return {
        "name": listener["name"],
        "port": listener["port"],
        "targets": [host for host in hosts if host["group"] == balancer["group"]],
        "target_port": listener["node_port"],
        "health": balancer["health"],
    }


def aws_load_balancers(balancers: t.Iterable[Values], cluster: str) -> list[dict[str, t.Any]]:
    """Return the load balancers with `listeners` as elb_network_lb takes them, and `target_groups` for elb_target_group.

    AWS cannot change the port of a target group. Its name contains the port, so that another port makes another group.
    """
    return [
        {
            "name": balancer["name"],
            "listeners": [
                {
                    "Protocol": "TCP",
                    "Port": listener["port"],
                    "DefaultActions": [{"Type": "forward", "TargetGroupName": _target_group(cluster, listener)}],
                }
                for listener in balancer["listeners"]
            ],
            "target_groups": [
                {
                    "name": _target_group(cluster, listener),
                    "port": listener["target_port"],
                    "targets": [{"Id": target["address"], "Port": listener["target_port"]} for target in listener["targets"]],
                    "health": listener["health"],
                }
                for listener in balancer["listeners"]
            ],
        }
        for balancer in balancers
    ]


def _target_group(cluster: str, listener: Values) -> str:
    return f"{cluster}-{listener['target_port']}"

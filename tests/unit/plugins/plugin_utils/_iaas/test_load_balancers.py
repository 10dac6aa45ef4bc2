# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load balancers, their targets, and their form at AWS."""

from __future__ import annotations

from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._iaas.load_balancers import aws_load_balancers, load_balancers

MASTERS = [{"name": f"master-{number}", "group": "master", "address": f"10.30.0.1{number + 1}"} for number in range(2)]
WORKER = {"name": "worker-0", "group": "worker", "address": "10.30.0.21"}
HTTPS = {"protocol": "https", "port": 8443, "path": "/readyz"}
HTTP = {"protocol": "http", "port": 10256, "path": "/healthz"}
API = {"name": "masters", "group": "master", "health": HTTPS, "listeners": [{"name": "api", "port": 443, "node_port": 8443}]}
WEB = [{"name": "web", "port": 80, "node_port": 30080}, {"name": "tls", "port": 443, "node_port": 30443}]


def test_targets_are_the_hosts_of_the_group():
    (balancer,) = load_balancers([*MASTERS, WORKER], [API])
    assert balancer == {
        "name": "masters",
        "listeners": [{"name": "api", "port": 443, "targets": MASTERS, "target_port": 8443, "health": HTTPS}],
    }


def test_every_listener_has_a_target_port_and_the_health_check():
    (balancer,) = load_balancers([*MASTERS, WORKER], [{"name": "workers", "group": "worker", "health": HTTP, "listeners": WEB}])
    assert [(listener["port"], listener["target_port"], listener["health"]) for listener in balancer["listeners"]] == [(80, 30080, HTTP), (443, 30443, HTTP)]


def test_load_balancers_without_listeners_are_left_out():
    assert load_balancers([WORKER], [{"name": "workers", "group": "worker", "health": HTTP, "listeners": []}]) == []


def test_aws_listeners_forward_to_target_groups_named_after_the_port():
    (balancer,) = aws_load_balancers(load_balancers(MASTERS, [API]), "demo")
    assert balancer["listeners"] == [{"Protocol": "TCP", "Port": 443, "DefaultActions": [{"Type": "forward", "TargetGroupName": "demo-8443"}]}]
    assert balancer["target_groups"] == [
        {
            "name": "demo-8443",
            "port": 8443,
            "targets": [{"Id": "10.30.0.11", "Port": 8443}, {"Id": "10.30.0.12", "Port": 8443}],
            "health": HTTPS,
        }
    ]


def test_aws_load_balancer_of_many_listeners_has_a_target_group_for_each():
    workers = {"name": "workers", "group": "worker", "health": HTTP, "listeners": WEB}
    (balancer,) = aws_load_balancers(load_balancers([WORKER], [workers]), "demo")
    assert balancer["name"] == "workers"
    assert [group["name"] for group in balancer["target_groups"]] == ["demo-30080", "demo-30443"]
    assert [listener["Port"] for listener in balancer["listeners"]] == [80, 443]

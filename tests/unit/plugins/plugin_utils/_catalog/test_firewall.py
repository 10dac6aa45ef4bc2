# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Openings of the firewall, from the real list of ports."""

from __future__ import annotations

import pathlib

import yaml
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog.firewall import openings

PORTS = yaml.safe_load((pathlib.Path(__file__).parents[5] / "catalog/ports.yml").read_text())["ports"]
VARIABLES = {"cluster_api_port": 443, "proxy_listeners": [{"name": "web", "port": 80, "node_port": 30080}]}


def let_through(group, balanced=None):
    """Return (protocol, first, last, client) of every opening."""
    return {tuple(opening[key] for key in ("protocol", "first", "last", "client")) for opening in openings(PORTS, group, VARIABLES, balanced)}


def test_etcd_is_for_its_clients_and_members():
    clients = {("tcp", 2379, 2379, group) for group in ("etcd", "master", "worker", "proxy")}
    assert let_through("etcd") == {*clients, ("tcp", 2380, 2380, "etcd")}


def test_loopback_addresses_need_no_opening():
    assert not {port for _protocol, port, _last, _client in let_through("master")} & {10257, 10259, 53, 5300}


def test_load_balancer_reaches_what_it_was_given_and_users_come_through_it():
    found = let_through("worker", [30080, 10256, 8443])
    assert ("tcp", 30080, 30080, "load balancer") in found
    assert ("tcp", 10256, 10256, "load balancer") in found
    assert not [opening for opening in found if opening[3] == "users" or opening[3] == "load balancer" and opening[1] != opening[2]]
    assert ("tcp", 8443, 8443, "load balancer") in let_through("master", [8443])


def test_without_a_load_balancer_users_reach_proxies():
    assert {("tcp", 443, 443, "users"), ("tcp", 80, 80, "users")} <= let_through("proxy")
    assert not [opening for opening in let_through("worker") if opening[3] == "load balancer"]

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts and ports that the Services of a namespace may have."""

from __future__ import annotations

import pytest
from cf_routing.config import BINDING, validate
from cf_routing.routes import Refused
from cf_routing.rules import Rules, rules

CONFIG = {
    "app_domain": "apps.cf.example.com",
    "domains": ["example.org"],
    "routing_api": {"url": "https://api.sys.example.com/"},
    "uaa": {"url": "https://uaa.sys.example.com:8443"},
    "reserved": {"hosts": ["tcp.apps.cf.example.com"], "ports": [8443]},
    "namespaces": {
        "shop": {"hosts": ["www.example.org"], "domains": ["shop.apps.cf.example.com"], "ports": [10000, "10010-10019"]},
        "pay": {"hosts": ["pay.shop.apps.cf.example.com"], "domains": [], "ports": []},
        "root": {"hosts": [], "domains": ["example.org"], "ports": []},
    },
    "bound_only": False,
}


def allowed(check: str, namespace: str, value: object, **changes: object) -> str:
    """Return the refusal, or nothing."""
    try:
        getattr(rules({**CONFIG, **changes}), check)(namespace, value)
    except Refused as refusal:
        assert refusal.args[0] == "RouteForbidden"
        return refusal.args[1]
    return ""


@pytest.mark.parametrize(
    ("namespace", "host", "refusal"),
    [
        ("other", "web.apps.cf.example.com", ""),
        ("other", "a.web.apps.cf.example.com", ""),
        ("other", "tcp.apps.cf.example.com", "reserved for the cluster's API"),
        ("other", "x.tcp.apps.cf.example.com", "reserved for the cluster's API"),
        ("other", "api.sys.example.com", "Cloud Foundry itself"),
        ("other", "login.sys.example.com", "Cloud Foundry itself"),
        ("other", "zone.uaa.sys.example.com", "Cloud Foundry itself"),
        ("other", "apps.cf.example.com", "a whole domain"),
        ("other", "*.apps.cf.example.com", "wildcard"),
        ("other", "*.web.apps.cf.example.com", "wildcard"),
        ("other", "shop.apps.cf.example.com", "bound to namespace shop"),
        ("other", "a.b.shop.apps.cf.example.com", "bound to namespace shop"),
        ("other", "*.shop.apps.cf.example.com", "bound to namespace shop"),
        ("other", "www.example.org", "bound to namespace shop"),
        ("other", "example.org", "bound to namespace root"),
        ("shop", "shop.apps.cf.example.com", ""),
        ("shop", "*.shop.apps.cf.example.com", ""),
        ("shop", "www.example.org", ""),
        ("shop", "other.apps.cf.example.com", ""),
        ("shop", "pay.shop.apps.cf.example.com", "bound to namespace pay"),
        ("pay", "pay.shop.apps.cf.example.com", ""),
        ("root", "example.org", ""),
        ("root", "*.example.org", ""),
        ("root", "www.example.org", "bound to namespace shop"),
    ],
)
def test_hosts(namespace, host, refusal):
    found = allowed("check_host", namespace, host)
    assert refusal in found and bool(found) == bool(refusal)


@pytest.mark.parametrize(
    ("namespace", "port", "refusal"),
    [
        ("other", 9000, ""),
        ("other", 8443, "reserved for the cluster's API"),
        ("shop", 8443, "reserved for the cluster's API"),
        ("other", 10000, "bound to namespace shop"),
        ("other", 10019, "bound to namespace shop"),
        ("shop", 10019, ""),
        ("shop", 9000, ""),
    ],
)
def test_ports(namespace, port, refusal):
    found = allowed("check_port", namespace, port)
    assert refusal in found and bool(found) == bool(refusal)


def test_bound_only():
    """Services then have only routes that are bound to their namespace."""
    assert "not bound to namespace other" in allowed("check_host", "other", "web.apps.cf.example.com", bound_only=True)
    assert "not bound to namespace shop" in allowed("check_port", "shop", 9000, bound_only=True)
    assert not allowed("check_host", "shop", "shop.apps.cf.example.com", bound_only=True)
    assert not allowed("check_port", "shop", 10000, bound_only=True)


def test_without_peers():
    assert rules({**CONFIG, "app_domain": None, "domains": [], "routing_api": None, "uaa": None, "namespaces": {}}) == Rules(
        reserved_hosts=frozenset({"tcp.apps.cf.example.com"}), reserved_ports=frozenset({8443})
    )


def test_addresses_have_no_system_domain():
    found = rules({**CONFIG, "routing_api": {"url": "https://10.0.16.4:3443"}, "uaa": {"url": "https://10.0.16.4"}})
    assert found.reserved_hosts == {"tcp.apps.cf.example.com", "10.0.16.4"}


def test_a_binding_has_defaults():
    assert validate({}, BINDING, "", []) == {"hosts": [], "domains": [], "ports": []}

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Messages to the routers, tested without servers."""

from __future__ import annotations

import json

import pytest
from cf_routing.http_routes import interval, registrations, table, unregistrations
from cf_routing.record import decode, encode
from cf_routing.routing_api import Listed, Mapping
from cf_routing.tables import union, without
from cf_routing.tcp_routes import mappings, read
from cf_routing.wanted import HttpRoute

BOTH = frozenset({"10.0.0.1", "10.0.0.2"})
ONE, OTHER = frozenset({"10.0.0.1"}), frozenset({"10.0.0.2"})


def test_registrations():
    """There is one message for each backend, with all its URIs and an ID for sticky sessions."""
    messages = [
        json.loads(message)
        for message in registrations([HttpRoute(("a.example.com", "b.example.com"), 30080, BOTH, "", "default/s")], "cfcr")
    ]
    assert [message["host"] for message in messages] == ["10.0.0.1", "10.0.0.2"]
    assert messages[0] == {
        "host": "10.0.0.1",
        "private_instance_id": "cfcr-10.0.0.1-30080",
        "uris": ["a.example.com", "b.example.com"],
        "port": 30080,
        "tags": {"component": "cf-route-sync", "cluster": "cfcr", "service": "default/s"},
    }


def test_registration_with_tls():
    (message,) = (
        json.loads(message) for message in registrations([HttpRoute(("a.example.com",), 30443, ONE, "web.internal", "default/s")], "cfcr")
    )
    assert message["tls_port"] == 30443 and message["server_cert_domain_san"] == "web.internal" and "port" not in message


def test_unregistrations():
    gone = {("a.example.com", 30080, ""): BOTH, ("b.example.com", 30080, ""): ONE, ("c.example.com", 30443, "web"): ONE}
    assert [json.loads(message) for message in unregistrations(gone)] == [
        {"host": "10.0.0.1", "port": 30080, "uris": ["a.example.com", "b.example.com"]},
        {"host": "10.0.0.1", "tls_port": 30443, "uris": ["c.example.com"]},
        {"host": "10.0.0.2", "port": 30080, "uris": ["a.example.com"]},
    ]


@pytest.mark.parametrize(
    ("answers", "seconds"),
    [
        ([], 20),
        ([{"minimumRegisterIntervalInSeconds": 5, "pruneThresholdInSeconds": 120}], 5),
        ([{"minimumRegisterIntervalInSeconds": 20}, {"minimumRegisterIntervalInSeconds": 30, "pruneThresholdInSeconds": 30}], 10),
        ([{"minimumRegisterIntervalInSeconds": "soon", "pruneThresholdInSeconds": 0}], 20),
        ([{"minimumRegisterIntervalInSeconds": 0.001}], 1),
        ([{"minimumRegisterIntervalInSeconds": 86400, "pruneThresholdInSeconds": 86400}], 60),
    ],
)
def test_interval(answers, seconds):
    assert interval(answers) == seconds


def test_tables():
    left, right = {"a": BOTH, "b": ONE}, {"a": ONE, "c": OTHER}
    assert without(left, right) == {"a": OTHER, "b": ONE}
    assert union(left, right) == {"a": BOTH, "b": ONE, "c": OTHER}


def test_a_route_without_hosts_is_not_in_the_table():
    assert table([HttpRoute(("a.example.com",), 30080, frozenset(), "", "default/s")]) == {}


def test_mappings():
    assert mappings({(1024, 30080): BOTH}) == [Mapping(1024, "10.0.0.1", 30080), Mapping(1024, "10.0.0.2", 30080)]


def test_read_separates_own_routes_from_other_ones():
    """A port belongs to another program if only that one has a route for it."""
    listed = [
        Listed(Mapping(1024, "10.0.0.1", 30080), "us"),
        Listed(Mapping(1024, "10.9.0.1", 30080), "them"),
        Listed(Mapping(1025, "10.9.0.1", 30081), ""),
    ]
    assert read(listed, "us") == ({(1024, 30080): ONE}, frozenset({1025}))


def test_record():
    """The encoding is deterministic and small, and can be decoded."""
    routes = {(f"app-{index}.example.com", 30000 + index, "web" if index % 2 else ""): BOTH if index % 3 else ONE for index in range(1000)}
    text = encode(routes)
    assert decode(text) == routes and encode(dict(reversed(routes.items()))) == text and len(text) < 20_000
    assert decode(encode({})) == {}

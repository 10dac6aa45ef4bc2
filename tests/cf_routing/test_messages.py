# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Messages to the routers, tested without servers."""

from __future__ import annotations

import json

import pytest
from cf_routing.errors import reason
from cf_routing.holders import NOBODY, Holders
from cf_routing.http_routes import MAX_UNREGISTRATIONS, Unregistered, interval
from cf_routing.messages import registrations, table, unregistrations
from cf_routing.record import decode, decode_holders, decompress, encode, encode_holders
from cf_routing.routes import HttpRoute
from cf_routing.routing_api import Listed, Mapping, duplicates
from cf_routing.tables import union, without
from cf_routing.tcp_routes import mappings, pause, read

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
    gone = {("a.example.com", 30080, "", ""): BOTH, ("b.example.com", 30080, "", ""): ONE, ("c.example.com", 30443, "web", ""): ONE}
    assert [json.loads(message) for message in unregistrations(gone)] == [
        {"host": "10.0.0.1", "port": 30080, "uris": ["a.example.com", "b.example.com"]},
        {"host": "10.0.0.1", "tls_port": 30443, "uris": ["c.example.com"]},
        {"host": "10.0.0.2", "port": 30080, "uris": ["a.example.com"]},
    ]


def test_isolation_segment():
    """Gorouters of other segments ignore both messages, so an unregistration needs the segment too."""
    route = HttpRoute(("a.example.com",), 30080, ONE, "", "default/s", segment="edge")
    assert [json.loads(message)["isolation_segment"] for message in registrations([route], "cfcr")] == ["edge"]
    assert [json.loads(message)["isolation_segment"] for message in unregistrations(table([route]))] == ["edge"]
    other = route._replace(segment="")
    assert without(table([route]), table([other])) == table([route])
    # An earlier version reads records without segments.
    assert decompress(encode(table([other])))["routes"] == [["a.example.com", 30080, "", 0]]


def test_ipv6():
    """Gorouters append a colon and the port to the host."""
    route = HttpRoute(("a.example.com",), 30080, frozenset({"fd00::1"}), "", "default/s")
    assert [json.loads(message)["host"] for message in registrations([route], "cfcr")] == ["[fd00::1]"]
    assert [json.loads(message)["host"] for message in unregistrations(table([route]))] == ["[fd00::1]"]


def test_duplicates():
    """Rows without a TLS port have another key."""
    one, two = Mapping(1024, "10.0.0.1", 30080), Mapping(1024, "10.0.0.2", 30080)
    assert duplicates([Listed(one, "us"), Listed(one, "us"), Listed(two, "us"), Listed(two, "us", tls_port=0)]) == {one}


@pytest.mark.parametrize(
    ("took", "batches", "ttl", "seconds"),
    [
        (0.3, 20, 60, 1.2),  # 5,000 mappings: a fifth of the time
        (0.3, 200, 60, 0.0),  # 50,000: more than there is
        (0.3, 40, 60, 0.7),  # 10,000: all within two thirds of the ttl
    ],
)
def test_pause(took, batches, ttl, seconds):
    assert pause(took, batches, ttl) == pytest.approx(seconds)


def test_reason_has_no_objects():
    context = "Cannot connect to host uaa:443 ssl:<ssl.SSLContext object at 0x7f> [Connect call failed]"
    assert reason(OSError(context)) == "OSError: Cannot connect to host uaa:443 [Connect call failed]"


def test_long_unregistrations_are_split():
    """A Service may have changed its hosts often, and NATS refuses large messages."""
    gone = {(f"{index:03}-{'x' * 300}.example.com", 30080, "", ""): ONE for index in range(1000)}
    messages = list(unregistrations(gone))
    assert len(messages) == 50 and max(map(len, messages)) < 8000
    assert [uri for message in messages for uri in json.loads(message)["uris"]] == sorted(key[0] for key in gone)


@pytest.mark.parametrize("address", ['10.0.0.1","port":1,"x":"', "10.0.0.1\n", "\u2028"])
def test_addresses_are_encoded(address):
    """Nodes with such addresses are no backends, but the messages must not depend on that."""
    (message,) = registrations([HttpRoute(("a.example.com",), 30080, frozenset({address}), "", "default/s")], "cfcr")
    assert json.loads(message)["host"].strip("[]") == address and json.loads(message)["port"] == 30080


def test_unregistered_routes_are_remembered_for_a_while():
    unregistered = Unregistered()
    unregistered.add(1, {("a", 30080, "", ""): ONE, ("b", 30080, "", ""): ONE})
    unregistered.add(2, {("a", 30080, "", ""): OTHER})
    assert unregistered.since(0) == {("a", 30080, "", ""): BOTH, ("b", 30080, "", ""): ONE}
    assert unregistered.since(1) == {("a", 30080, "", ""): BOTH}
    unregistered.add(3, {(str(index), 30080, "", ""): ONE for index in range(2 * MAX_UNREGISTRATIONS)})
    assert len(unregistered.since(0)) == MAX_UNREGISTRATIONS


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
    routes = {
        (f"app-{index}.example.com", 30000 + index, "web" if index % 2 else "", "" if index % 5 else "edge"): BOTH if index % 3 else ONE
        for index in range(1000)
    }
    text = encode(routes)
    assert decode(text) == routes and encode(dict(reversed(routes.items()))) == text and len(text) < 20_000
    assert decode(encode({})) == {}


def test_record_of_holders():
    tcp, http = Holders({1024: "a", 1025: "b"}), Holders({"x.example.com": "a", "y.example.com/v2": NOBODY})
    assert decode_holders(encode_holders(tcp, http)) == (tcp, http)
    assert decode_holders(encode_holders(Holders(lost=True), Holders())) == (Holders(lost=True), Holders())

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planned routes, tested without servers."""

from __future__ import annotations

import pytest
from cf_routing.claims import Settings
from cf_routing.objects import Node, Port, Service, Slice, endpoint_slice, node, service
from cf_routing.ports import Ports
from cf_routing.routes import HttpRoute, TcpRoute
from cf_routing.rules import Rules
from cf_routing.wanted import backends, plan

DOMAINS = Rules(domains=("apps.example.com", "example.org"))
SETTINGS = Settings(DOMAINS, Ports.parse("1024-1123,2000"), frozenset({1100}), cluster="cfcr")
NODES = [Node("a", "10.0.0.1", True), Node("b", "10.0.0.2", True), Node("c", "10.0.0.3", False)]
BOTH = frozenset({"10.0.0.1", "10.0.0.2"})
WEB = Port("web", 80, "TCP", 30080)
ADMIN = Port("admin", 81, "TCP", 30081)
DNS = Port("dns", 53, "UDP", 30053)


def make(
    name: str = "s", tcp: str | None = None, http: str | None = None, ports=(WEB,), created: str = "2026-01-01T00:00:00Z", **more
) -> Service:
    fields = {"namespace": "default", "uid": f"uid-{name}", "type": "NodePort", "local": False, "annotations": {}}
    return Service(**{**fields, "name": name, "tcp": tcp, "http": http, "ports": tuple(ports), "created": created, **more})


def planned(*services: Service, slices=(), settings: Settings = SETTINGS):
    return plan(services, NODES, slices, settings)


def complaints(*services: Service, **more) -> list[tuple[str, str, str]]:
    return [(complaint.service.name, complaint.reason, complaint.message) for complaint in planned(*services, **more).complaints]


def test_labels():
    wanted = planned(make(tcp="1024", http="Web"))
    assert wanted.tcp == (TcpRoute(1024, 30080, BOTH, "uid-s"),)
    assert wanted.http == (HttpRoute(("web.apps.example.com",), 30080, BOTH, "", "default/s", "uid-s"),)
    assert not wanted.complaints


def test_annotations():
    annotations = {
        "tcp-route-port": "admin",
        "tcp-routes": "1025=80, 1026=admin",
        "http-route-port": "81",
        "http-route-hosts": "other, www.example.org",
        "http-route-path": "/v2/",
        "http-route-tls-name": "Web.Internal",
    }
    wanted = planned(make(tcp="1024", http="web", ports=(WEB, ADMIN, DNS), annotations=annotations))
    assert wanted.tcp == (TcpRoute(1024, 30081, BOTH, "uid-s"), TcpRoute(1025, 30080, BOTH, "uid-s"), TcpRoute(1026, 30081, BOTH, "uid-s"))
    hosts = ("web.apps.example.com", "other.apps.example.com", "www.example.org")
    assert wanted.http == (HttpRoute(tuple(f"{host}/v2" for host in hosts), 30081, BOTH, "web.internal", "default/s", "uid-s"),)


@pytest.mark.parametrize(
    ("change", "reason", "message"),
    [
        ({"tcp": "0"}, "RouteInvalid", "from 1 to 65535"),
        ({"tcp": "65536"}, "RouteInvalid", "from 1 to 65535"),
        ({"tcp": "http"}, "RouteInvalid", "'http'"),
        ({"tcp": "1124"}, "PortNotReservable", "1024-1123, 2000"),
        ({"tcp": "1100"}, "RouteClash", "outside this cluster"),
        ({"http": "a_b"}, "RouteInvalid", "label http-route-sync: found 'a_b'"),
        ({"http": "x", "type": "ClusterIP"}, "RouteImpossible", "expected NodePort or LoadBalancer"),
        ({"http": "x", "ports": (DNS,)}, "RouteInvalid", "no TCP port"),
        ({"http": "x", "ports": (WEB, ADMIN)}, "RouteInvalid", "several ports (web, admin): select one with annotation cfcr.io/http-route-port"),
        ({"tcp": "1024", "ports": (WEB, ADMIN)}, "RouteInvalid", "select one with annotation cfcr.io/tcp-route-port"),
        ({"http": "x", "annotations": {"http-route-port": "82"}}, "RouteInvalid", "found '82', expected one of web"),
        ({"http": "x", "annotations": {"http-route-path": "v2"}}, "RouteInvalid", "a path such as /v2"),
        ({"http": "x", "annotations": {"http-route-hosts": "login.sys.example.com"}}, "RouteInvalid", "expected a name below one of"),
        ({"http": "x", "annotations": {"http-route-tls-name": "-"}}, "RouteInvalid", "annotation cfcr.io/http-route-tls-name"),
        ({"tcp": "1024", "annotations": {"tcp-routes": "1025"}}, "RouteInvalid", "expected a list such as"),
    ],
)
def test_impossible_routes_are_reported(change, reason, message):
    (complaint,) = complaints(make(**change))
    assert complaint[1] == reason and message in complaint[2]


def test_one_mistake_affects_one_route():
    """The other ports and the other kind of route work."""
    wanted = planned(make(tcp="1024", http="a_b", annotations={"tcp-routes": "9=80,1025=80"}))
    assert [route.port for route in wanted.tcp] == [1024, 1025] and len(wanted.complaints) == 2


def test_of_new_requests_the_oldest_service_gets_the_route():
    old, young = (
        make("old", "1024", "web", created="2026-01-01T00:00:00Z"),
        make("young", "1024", "web", created="2026-01-02T00:00:00Z", ports=(ADMIN,)),
    )
    wanted = planned(young, old)
    assert [route.node_port for route in (*wanted.tcp, *wanted.http)] == [30080, 30080]
    assert complaints(young, old) == [
        ("young", "RouteClash", "TCP port 1024 belongs to Service default/old"),
        ("young", "RouteClash", "host web.apps.example.com belongs to Service default/old"),
    ]


def test_same_age_is_decided_by_uid():
    assert complaints(make("b", http="web"), make("a", http="web"))[0][0] == "b"


def test_a_service_that_cannot_have_a_route_does_not_reserve_it():
    """The older Service has no node port, so the younger one gets the name."""
    wanted = planned(make("old", http="web", type="ClusterIP"), make("young", http="web", created="2026-01-02T00:00:00Z"))
    assert [route.service for route in wanted.http] == ["default/young"]


def test_a_clash_affects_one_of_several_hosts():
    """The clashing host is left out, and the others stay."""
    young = make("young", http="own", created="2026-01-02T00:00:00Z", annotations={"http-route-hosts": "web"})
    wanted = planned(make("old", http="web"), young)
    assert [route.uris for route in wanted.http] == [("web.apps.example.com",), ("own.apps.example.com",)] and len(wanted.complaints) == 1


def test_paths_share_a_host():
    wanted = planned(
        make("a", http="web", annotations={"http-route-path": "/a"}), make("b", http="web", annotations={"http-route-path": "/b"})
    )
    assert [route.uris for route in wanted.http] == [("web.apps.example.com/a",), ("web.apps.example.com/b",)] and not wanted.complaints


def test_local():
    """If traffic must stay on the node, only nodes with an endpoint are backends."""
    slices = [Slice(("default", "s"), frozenset({"b", "c"})), Slice(("default", "t"), frozenset({"a"}))]
    assert planned(make(tcp="1024", local=True), slices=slices).tcp == (TcpRoute(1024, 30080, frozenset({"10.0.0.2"}), "uid-s"),)


def test_without_routers():
    nothing = Settings(Rules(), http=False)
    assert [(reason, message) for _name, reason, message in complaints(make(tcp="1024", http="web"), settings=nothing)] == [
        ("RouteImpossible", "this cluster has no routing API for TCP routes"),
        ("RouteImpossible", "this cluster has no NATS for HTTP routes"),
    ]


def test_ports():
    ports = Ports.parse(" 1024-1123, 2000")
    assert str(ports) == "1024-1123, 2000" and ports.contains(1123) and ports.contains(2000) and not ports.contains(1124)
    assert str(Ports.parse("")) == "none"


def item(**metadata) -> dict:
    times = {"creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"metadata": {"name": "n", "namespace": "default", "uid": "u", **times, **metadata}, "spec": {}}


def test_service_from_object():
    found = service(
        {
            **item(labels={"tcp-route-sync": "1024"}, annotations={"cfcr.io/tcp-route-port": "web", "other": "x"}),
            "spec": {"type": "NodePort"},
        }
    )
    assert (found.tcp, found.http, found.annotations, found.ports) == ("1024", None, {"tcp-route-port": "web"}, ())
    assert service(item(labels={"tcp-route-sync": "1024"}, deletionTimestamp="2026-01-01T00:00:00Z")).tcp is None


@pytest.mark.parametrize(
    ("serves", "ready", "spec", "metadata"),
    [
        (True, "True", {}, {}),
        (False, "False", {}, {}),
        (False, "Unknown", {}, {}),
        (False, "True", {"unschedulable": True}, {}),
        (False, "True", {}, {"deletionTimestamp": "2026-01-01T00:00:00Z"}),
        (False, "True", {}, {"labels": {"node.kubernetes.io/exclude-from-external-load-balancers": ""}}),
    ],
)
def test_node_from_object(serves, ready, spec, metadata):
    status = {
        "addresses": [{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "10.0.0.1"}],
        "conditions": [{"type": "Ready", "status": ready}],
    }
    assert node({**item(**metadata), "spec": spec, "status": status}) == Node("n", "10.0.0.1", serves)


def test_node_without_address():
    assert not node(item()).serves


def test_slice_from_object():
    endpoints = [
        {"nodeName": "a", "conditions": {"ready": True}},
        {"nodeName": "b", "conditions": {"ready": False}},
        {"nodeName": "c"},
        {"addresses": []},
    ]
    found = endpoint_slice({**item(labels={"kubernetes.io/service-name": "s"}), "endpoints": endpoints})
    assert found == Slice(("default", "s"), frozenset({"a", "c"}))


def test_backends_of_tcp_routes_are_few_and_stable():
    """Each mapping costs the routing API time. A node that goes changes the backends of those Services only that had it."""
    nodes = frozenset(f"10.0.0.{index}" for index in range(1, 101))
    chosen = {uid: backends(uid, nodes, 10) for uid in map(str, range(200))}
    assert {len(ips) for ips in chosen.values()} == {10}
    gone = "10.0.0.7"
    for uid, ips in chosen.items():
        after = backends(uid, nodes - {gone}, 10)
        assert after == ips if gone not in ips else after > ips - {gone} and len(after) == 10
    # All nodes have a share.
    counts = [sum(ip in ips for ips in chosen.values()) for ip in nodes]
    assert min(counts) > 5 and max(counts) < 45
    assert backends("a", frozenset({"10.0.0.1", "fd00::1"}), 10) == {"10.0.0.1"}


def test_isolation_segments():
    settings = SETTINGS._replace(segment="shared-edge", segments=frozenset({"edge"}))
    asked = {"a": {}, "b": {"http-route-isolation-segment": "edge"}, "c": {"http-route-isolation-segment": "x"}}
    services = [make(name, http=name, annotations=annotations) for name, annotations in asked.items()]
    wanted = planned(*services, settings=settings)
    assert [(route.service, route.segment) for route in wanted.http] == [("default/a", "shared-edge"), ("default/b", "edge")]
    message = "annotation cfcr.io/http-route-isolation-segment: found 'x', expected one of edge, shared-edge"
    assert complaints(*services, settings=settings) == [("c", "RouteForbidden", message)]

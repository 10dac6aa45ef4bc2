# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""cf-route-sync against real servers and a stand-in for Cloud Foundry: the routers have the routes of labelled Services."""

from __future__ import annotations

import datetime
import json
import ssl
import time
import urllib.error
import urllib.request

import pytest
from _world import fetch, until, workload

SECONDS = 5  # the promised time from a change to its route


def test_labels(world):
    """A TCP and an HTTP label create routes that answer, and their removal removes the routes."""
    world.node("n1", "127.0.0.2")
    world.start_leader()
    world.routers.start()
    try:
        port = world.reservable[0]
        with workload("127.0.0.2", 31001, "tcp"), workload("127.0.0.2", 31002, "http"):
            tcp = world.service("tcp", {"tcp-route-sync": str(port)}, 31001)
            http = world.service("web", {"http-route-sync": "web"}, 31002)
            took = [until(lambda: world.tcp() == {(port, "127.0.0.2:31001")}, SECONDS, world.output)]
            took.append(until(lambda: world.http() == {"web.apps.example.com": {"127.0.0.2:31002"}}, SECONDS, world.output))
            until(lambda: answer(port) == "tcp", 3, world.output)
            until(lambda: answer(world.http_port, "web.apps.example.com") == "http", 3, world.output)
            world.patch(tcp, {"metadata": {"labels": {"tcp-route-sync": None}}})
            world.delete(http)
            took.append(until(lambda: not world.tcp() and not world.http(), SECONDS, world.output))
            until(lambda: answer(port) is None and answer(world.http_port, "web.apps.example.com") == "404", 3, world.output)
        print(f"\nlabel to route: {max(took[:2]):.1f} s; label removed to route gone: {took[2]:.1f} s")
        # Each route is one row however often it is registered. With NULL columns, each registration would add a row.
        assert world.table()["rows"] == 0
    finally:
        world.routers.stop()


def answer(port: int, host: str = "") -> str | None:
    """Return the answer of the routers to a client: a text, a status, or None."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=2) as reply:
            return reply.read().decode()
    except urllib.error.HTTPError as error:
        return str(error.code)
    except OSError:
        return None


def test_annotations(world):
    """Annotations set ports, hosts, a path and TLS. Gorouters never remove a TLS route by themselves."""
    world.node("n1", "127.0.0.2")
    # Wildcards need a domain that is bound to the namespace.
    program = world.start_leader(namespaces={"default": {"domains": ["wild.apps.example.com"]}})
    annotations = {
        "cfcr.io/tcp-route-port": "p1",
        "cfcr.io/tcp-routes": f"{world.reservable[1]}=80",
        "cfcr.io/http-route-port": "81",
        "cfcr.io/http-route-hosts": "other, www.example.org, *.wild",
        "cfcr.io/http-route-path": "/v2",
        "cfcr.io/http-route-tls-name": "web.internal",
    }
    labels = {"tcp-route-sync": str(world.reservable[0]), "http-route-sync": "web"}
    service = world.service("many", labels, 31001, 31002, annotations=annotations)
    hosts = ("web.apps.example.com", "other.apps.example.com", "www.example.org", "*.wild.apps.example.com")
    until(lambda: world.http() == {f"{host}/v2": {"127.0.0.2:31002"} for host in hosts}, SECONDS, world.output)
    until(lambda: world.tcp() == {(world.reservable[0], "127.0.0.2:31002"), (world.reservable[1], "127.0.0.2:31001")}, SECONDS, world.output)
    (endpoint,) = world.ask_gorouter("routes")["www.example.org/v2"]
    assert endpoint["tls"] and endpoint["server_cert_domain_san"] == "web.internal"
    # There is no leader while the Service is deleted. The next leader must know the routes that gorouters will not remove.
    program.stop(9)
    world.delete(service)
    world.start_leader("master-1", lease={**program.config["lease"], "identity": "master-0"}, namespaces=program.config["namespaces"])
    until(lambda: not world.http() and not world.tcp(), SECONDS, world.output)


def test_clash(world):
    """The first Service keeps a route that two ask for, and the other one gets an event. It gets the route when the first one is deleted."""
    world.node("n1", "127.0.0.2")
    world.start_leader()
    port = str(world.reservable[0])
    first = world.service("a-first", {"tcp-route-sync": port, "http-route-sync": "web"}, 31001)
    until(lambda: world.tcp() and world.http(), SECONDS, world.output)
    until(lambda: not first["metadata"]["creationTimestamp"].startswith(now()), 2)
    world.service("a-second", {"tcp-route-sync": port, "http-route-sync": "web"}, 31002)
    until(lambda: len(world.events("a-second")) == 2, SECONDS, world.output)
    assert all(reason == "RouteClash" and "default/a-first" in message for reason, message in world.events("a-second"))
    assert world.http() == {"web.apps.example.com": {"127.0.0.2:31001"}} and world.tcp() == {(int(port), "127.0.0.2:31001")}
    world.delete(first)
    until(lambda: world.http() == {"web.apps.example.com": {"127.0.0.2:31002"}}, SECONDS, world.output)
    until(lambda: world.tcp() == {(int(port), "127.0.0.2:31002")}, SECONDS, world.output)


def label(world, item, labels) -> None:
    world.patch({**item, "apiVersion": "v1", "kind": "Service"}, {"metadata": {"labels": labels}})


@pytest.mark.parametrize("upgraded", [False, True], ids=["", "upgraded"])
def test_an_older_service_does_not_take_a_route(world, upgraded):
    """Not when it is labelled, and not when another instance takes over, nor when the former one was of a version without a record of holders."""
    world.node("n1", "127.0.0.2")
    program = world.start_leader()
    port = world.reservable[0]
    labels = {"tcp-route-sync": str(port), "http-route-sync": "shop"}
    old = world.service("old", {}, 31001, namespace=world.namespace("evil"))
    until(lambda: not old["metadata"]["creationTimestamp"].startswith(now()), 2)
    shop = world.service("web", {}, 31002, namespace=world.namespace("shop"))
    label(world, shop, labels)
    tcp, http = {(port, "127.0.0.2:31002")}, {"shop.apps.example.com": {"127.0.0.2:31002"}}
    until(lambda: world.tcp() == tcp and world.http() == http, SECONDS, world.output)
    if not upgraded:
        label(world, old, labels)
        until(lambda: len(world.events("old", "evil")) == 2, SECONDS, world.output)
        assert all("belongs to Service shop/web" in message for _reason, message in world.events("old", "evil"))
        assert world.tcp() == tcp and world.http() == http
    program.stop(9)
    if upgraded:
        label(world, old, labels)
        holders = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cf-route-sync-holders", "namespace": "kube-system"}}
        world.patch(holders, {"binaryData": None})
    world.forget("leases/cf-route-sync")
    program = world.start_leader("master-1")
    until(lambda: len(world.events("old", "evil")) == 2 and program.health()["healthy"], SECONDS, world.output)
    assert not world.events("web", "shop")
    # A clean stop without another instance withdraws the routes, but their holder keeps them.
    program.stop()
    assert not world.tcp() and not world.http()
    world.start_leader("master-1")
    until(lambda: world.tcp() == tcp and world.http() == http, SECONDS, world.output)
    time.sleep(1)
    assert world.tcp() == tcp and world.http() == http
    label(world, shop, {"tcp-route-sync": None, "http-route-sync": None})
    until(lambda: world.tcp() == {(port, "127.0.0.2:31001")}, SECONDS, world.output)
    until(lambda: world.http() == {"shop.apps.example.com": {"127.0.0.2:31001"}}, SECONDS, world.output)


def test_boundaries(world):
    """Bound hosts, domains and ports go to their namespace only. The API's port and host and Cloud Foundry's hosts go to nobody."""
    world.node("n1", "127.0.0.2")
    first, second, third = world.reservable
    binding = {"hosts": ["www.example.org"], "domains": ["shop.apps.example.com"], "ports": [second]}
    world.start_leader(namespaces={"shop": binding}, reserved={"hosts": ["tcp.apps.example.com"], "ports": [first]})
    hosts = "www.example.org, shop.apps.example.com, a.shop.apps.example.com, *.shop.apps.example.com"
    for namespace, node_port in (("evil", 31001), ("shop", 31003)):
        world.namespace(namespace)
        routes = {"cfcr.io/http-route-hosts": hosts, "cfcr.io/tcp-routes": f"{second}=80"}
        world.service("bound", {"http-route-sync": "tcp", "tcp-route-sync": str(first)}, node_port, annotations=routes, namespace=namespace)
    names = "apps.example.com, example.org, *, *.x.example.org, api.example.org"
    labels = {"http-route-sync": "free", "tcp-route-sync": str(third)}
    world.service("free", labels, 31005, annotations={"cfcr.io/http-route-hosts": names}, namespace="evil")
    shop = {host.strip(): {"127.0.0.2:31003"} for host in hosts.split(",")}
    free = {"free.apps.example.com": {"127.0.0.2:31005"}, "api.example.org": {"127.0.0.2:31005"}}
    until(lambda: world.http() == {**shop, **free}, SECONDS, world.output)
    until(lambda: world.tcp() == {(second, "127.0.0.2:31003"), (third, "127.0.0.2:31005")}, SECONDS, world.output)
    until(lambda: len(world.events("bound", "evil")) == 7 and len(world.events("bound", "shop")) == 2, SECONDS, world.output)
    until(lambda: len(world.events("free", "evil")) == 4, SECONDS, world.output)
    found = {reason for service, namespace in (("bound", "evil"), ("bound", "shop"), ("free", "evil")) for reason, _message in world.events(service, namespace)}
    assert found == {"RouteForbidden"}


def test_a_message_that_nats_refuses_stops_no_other_route(world):
    """It is not sent, and reported on its Service."""
    world.node("n1", "127.0.0.2")
    with world.message_limit(1024):
        program = world.start_leader()
        hosts = ",".join(f"{'x' * 60}{index}" for index in range(19))
        world.service("a-big", {"http-route-sync": "big"}, 31001, annotations={"cfcr.io/http-route-hosts": hosts})
        until(lambda: world.events("a-big"), SECONDS, world.output)
        world.service("web", {"http-route-sync": "web"}, 31002)
        until(lambda: "web.apps.example.com" in world.http(), SECONDS, world.output)
        assert world.events("a-big")[0][0] == "RouteLimit" and "the limit of NATS" in world.events("a-big")[0][1]
        sent = program.metrics()['cf_routing_nats_messages_total{subject="router.register"}']
        until(lambda: program.metrics()['cf_routing_nats_messages_total{subject="router.register"}'] > sent + 2, 8, world.output)
        assert program.health()["healthy"] and world.http().keys() == {"web.apps.example.com"}
    until(lambda: len(world.http()) == 21, 10, world.output)


def now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_routes_of_others_are_not_touched(world):
    """A port with a route of somebody else is not used, and that route is not deleted."""
    world.node("n1", "127.0.0.2")
    program = world.start_leader()
    token = fetch_token(world)
    group = next(group["guid"] for group in world.table()["groups"] if group["name"] == "tcp")
    port = world.reservable[0]
    row = {"router_group_guid": group, "port": port, "backend_ip": "127.0.0.2", "backend_port": 31009, "backend_tls_port": -1, "ttl": 120}
    post(world, "tcp_routes/create", [row], token)
    world.service("late", {"tcp-route-sync": str(port)}, 31001)
    until(lambda: world.events("late"), SECONDS, world.output)
    assert "outside this cluster" in world.events("late")[0][1]
    program.stop()
    assert world.tcp() == {(port, "127.0.0.2:31009")}
    post(world, "tcp_routes/delete", [row], token)


def fetch_token(world) -> str:
    form = "client_id=routing&client_secret=the+routing+secret&grant_type=client_credentials"
    context = ssl.create_default_context(cafile=world.ca)
    with urllib.request.urlopen(f"https://127.0.0.1:{world.api_port}/oauth/token", form.encode(), context=context) as reply:
        return json.load(reply)["access_token"]


def post(world, path, body, token) -> None:
    url = f"https://127.0.0.1:{world.api_port}/routing/v1/{path}"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Authorization": f"bearer {token}"})
    urllib.request.urlopen(request, context=ssl.create_default_context(cafile=world.ca)).close()


def test_impossible_routes_are_reported(world):
    """The Service gets an event, which its owner sees."""
    world.node("n1", "127.0.0.2")
    world.start_leader()
    world.service("inside", {"http-route-sync": "inside"}, type="ClusterIP", ports=[{"port": 80}])
    world.service("outside", {"tcp-route-sync": "9"}, 31001)
    world.service("foreign", {"http-route-sync": "x"}, 31002, annotations={"cfcr.io/http-route-hosts": "login.sys.example.com"})
    until(lambda: all(world.events(name) for name in ("inside", "outside", "foreign")), SECONDS, world.output)
    assert world.events("inside")[0] == (
        "RouteImpossible",
        "found a Service of type ClusterIP, which has no node ports; expected NodePort or LoadBalancer",
    )
    assert world.events("outside")[0][0] == "PortNotReservable" and "40000-42000" in world.events("outside")[0][1]
    assert "expected a name below one of" in world.events("foreign")[0][1]
    # The other host of that Service is not affected.
    assert world.http().keys() == {"x.apps.example.com"} and not world.tcp()


def test_nodes(world):
    """Backends are nodes that are ready, not cordoned, and have an endpoint if traffic must stay local."""
    one, two = world.node("n1", "127.0.0.2"), world.node("n2", "127.0.0.3")
    world.start_leader()
    world.service("web", {"http-route-sync": "web"}, 31001)
    world.service("local", {"http-route-sync": "local"}, 31002, externalTrafficPolicy="Local")
    web, local = "web.apps.example.com", "local.apps.example.com"
    until(lambda: world.http().get(web) == {"127.0.0.2:31001", "127.0.0.3:31001"} and local not in world.http(), SECONDS, world.output)
    endpoint = {"addresses": ["10.200.0.5"], "nodeName": "n2", "conditions": {"ready": True}}
    metadata = {"name": "local-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "local"}}
    entry = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": "IPv4",
        "endpoints": [endpoint],
    }
    world.create({**entry, "ports": [{"port": 80}]})
    until(lambda: world.http().get(local) == {"127.0.0.3:31002"}, SECONDS, world.output)
    world.patch(two, {"spec": {"unschedulable": True}})
    until(lambda: world.http() == {web: {"127.0.0.2:31001"}}, SECONDS, world.output)
    world.patch(two, {"spec": {"unschedulable": None}})
    until(lambda: len(world.http().get(web, ())) == 2, SECONDS, world.output)
    conditions = (
        [{**one["status"]["conditions"][0], "status": "Unknown"}]
        if one["status"].get("conditions")
        else [{"type": "Ready", "status": "Unknown"}]
    )
    world.patch(one, {"status": {"conditions": conditions}}, "status")
    until(lambda: world.http().get(web) == {"127.0.0.3:31001"}, SECONDS, world.output)
    world.delete(two)
    until(lambda: not world.http(), SECONDS, world.output)


def test_metrics(world):
    """The metrics for Prometheus, and the status."""
    world.node("n1", "127.0.0.2")
    program = world.start_leader()
    world.service("web", {"http-route-sync": "web"}, 31001)
    until(world.http, SECONDS, world.output)
    metrics = program.metrics()
    assert metrics["cf_routing_leader"] == 1 and metrics['cf_routing_routes{kind="http"}'] == 1
    assert all(metrics[f'cf_routing_up{{peer="{peer}"}}'] == 1 for peer in ("uaa", "routing_api", "nats", "lease"))
    assert fetch(f"{program.status}/healthz") == {"healthy": True, "leader": True, "troubles": {}}

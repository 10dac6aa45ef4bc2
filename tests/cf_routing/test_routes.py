# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""cf-route-sync against real servers and a stand-in for Cloud Foundry: the routers have the routes of labelled Services."""

from __future__ import annotations

import datetime
import json
import ssl
import urllib.error
import urllib.request

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
    program = world.start_leader()
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
    world.start_leader("master-1", lease={**program.config["lease"], "identity": "master-0"})
    until(lambda: not world.http() and not world.tcp(), SECONDS, world.output)


def test_clash(world):
    """The older Service keeps a route that two ask for, and the other one gets an event. It gets the route when the older one is deleted."""
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
    assert not world.http() and not world.tcp()


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

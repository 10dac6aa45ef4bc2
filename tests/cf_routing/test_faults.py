# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Killed programs, outages and wrong settings, and their effect on routes."""

from __future__ import annotations

import pathlib
import signal
import threading
import time

import pytest
from _world import NATS_PASSWORD, ROUTING_SECRET, SCOPES, until

# The ttl of TCP routes is 9 s here: routes that are not renewed after an outage would expire during a test.
OUTAGE_SECONDS = 6


class RouteWatch:
    """Reads the tables inside the block, and records missing routes."""

    def __init__(self, world, tcp, http) -> None:
        self.world, self.tcp, self.http = world, tcp, http
        self.missing: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            if not self.tcp <= self.world.tcp():
                self.missing.append("tcp")
            if not self.http <= self.world.http().keys():
                self.missing.append("http")

    def __enter__(self) -> RouteWatch:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()


def create_routes(world) -> tuple[set, set]:
    """Create a Service with both kinds of routes, and return them."""
    world.node("n1", "127.0.0.2")
    port = world.reservable[0]
    world.service("web", {"http-route-sync": "web", "tcp-route-sync": str(port)}, 31001)
    tcp, http = {(port, "127.0.0.2:31001")}, {"web.apps.example.com"}
    until(lambda: world.tcp() == tcp and world.http().keys() == http, 8, world.output)
    return tcp, http


def test_takeover(world):
    """If the leader is killed, the other one takes over within 30 s; if it is stopped, at once. No route is lost until the last one stops."""
    # The ttl of production.
    production = {**world.peers()["routing_api"], "ttl": 60}
    first = world.start_leader("master-0", routing_api=production)
    second = world.route_sync("master-1", routing_api=production)
    tcp, http = create_routes(world)
    until(lambda: second.health().get("leader") is False, 5, world.output)
    with RouteWatch(world, tcp, http) as watch:
        first.stop(signal.SIGKILL)
        killed = until(lambda: second.health().get("leader"), 30, world.output)
        first.start()
        until(lambda: first.health().get("leader") is False, 5, world.output)
        ended = second.stop()
        stopped = until(lambda: first.health().get("leader"), 5, world.output)
        world.service("more", {"http-route-sync": "more"}, 31003)
        until(lambda: "more.apps.example.com" in world.http(), 5, world.output)
    print(f"\nleader killed: another acts after {killed:.1f} s; stopped: after {ended + stopped:.1f} s")
    assert not watch.missing
    assert ended < 10
    assert first.stop() < 10
    assert not world.tcp() and not world.http()


def test_api_server_is_down(world):
    """Without the API server, the leader loses its lease, keeps running, and becomes the leader again."""
    program = world.start_leader()
    tcp, http = create_routes(world)
    world.kill_api_server()
    try:
        until(lambda: program.health().get("leader") is False, 15, world.output)
        assert not program.health()["healthy"]
    finally:
        world.apiserver.start()
        world.apiserver.await_ready()
    until(lambda: program.health().get("leader") and program.health()["healthy"], 30, world.output)
    until(lambda: world.tcp() == tcp and world.http().keys() == http, 8, world.output)


def test_outages(world):
    """NATS, UAA and the routing API stop and start. No route is lost, and the program is not restarted."""
    # UAA is needed only for new tokens.
    world.set_state(token_seconds=2)
    program = world.start_leader()
    tcp, http = create_routes(world)
    pid = program.process.pid
    with RouteWatch(world, tcp, http) as watch:
        for part in ("uaa", "routing_api"):
            world.set_state(down=[part])
            until(lambda: not program.health()["healthy"], OUTAGE_SECONDS, world.output)
            time.sleep(OUTAGE_SECONDS / 3)
            world.set_state(down=[])
            took = until(lambda: program.health()["healthy"], 12, world.output)
            print(f"\n{part} is back: healthy after {took:.1f} s", end="")
        world.nats.stop()
        until(lambda: "nats" in program.health()["troubles"], OUTAGE_SECONDS, world.output)
        more = world.service("more", {"http-route-sync": "more"}, 31003)
        time.sleep(OUTAGE_SECONDS / 3)
        world.nats.start()
        took = until(lambda: "more.apps.example.com" in world.http(), 15, world.output)
        print(f"\nNATS is back: routes that were requested meanwhile exist after {took:.1f} s")
    assert not watch.missing
    world.nats.stop()
    world.delete(more)
    world.nats.start()
    until(lambda: world.http().keys() == http and program.health()["healthy"], 15, world.output)
    assert program.process.pid == pid and program.process.poll() is None


def test_gorouter_starts_empty(world):
    """A gorouter that starts gets all routes at once."""
    program = world.start_leader()
    _tcp, http = create_routes(world)
    world.gorouter.stop()
    world.gorouter.start()
    took = until(lambda: world.gorouter_answers() and world.http().keys() == http, 5, world.output)
    print(f"\na new gorouter has all routes {took:.1f} s after its start")
    assert program.health()["healthy"]


def test_wrong_secrets(world):
    """A wrong secret is reported without a crash, and the right one is read when it is there."""
    pathlib.Path(world.secret_file).write_text("wrong")
    pathlib.Path(world.password_file).write_text("wrong")
    program = world.start_leader()
    world.node("n1", "127.0.0.2")
    world.service("web", {"http-route-sync": "web", "tcp-route-sync": str(world.reservable[0])}, 31001)
    until(lambda: {"uaa", "nats"} <= program.health()["troubles"].keys(), 8, world.output)
    troubles = program.health()["troubles"]
    assert f"(HTTP 401, Bad credentials): its ID or the secret in {world.secret_file} is wrong" in troubles["uaa"]
    assert f"its name or the password in {world.password_file} is wrong" in troubles["nats"]
    time.sleep(2)
    # The message is not repeated at every attempt.
    assert program.output.count("its ID or the secret") <= 2
    pathlib.Path(world.secret_file).write_text(f"{ROUTING_SECRET}\n")
    pathlib.Path(world.password_file).write_text(NATS_PASSWORD)
    until(lambda: world.tcp() and world.http() and program.health()["healthy"], 15, world.output)
    # Missing scopes get another message than a wrong secret.
    world.set_state(clients={"routing": {"secret": ROUTING_SECRET, "scopes": SCOPES[:1]}}, token_seconds=2)
    program.stop()
    program.start()
    until(lambda: "needs the authorities" in program.health().get("troubles", {}).get("routing_api", ""), 15, world.output)


def test_tokens_are_renewed(world):
    """Tokens that are valid for two seconds are renewed before they expire."""
    world.set_state(token_seconds=2)
    program = world.start_leader()
    create_routes(world)
    until(lambda: world.table()["requests"]["POST /oauth/token"] > 2, 12, world.output)
    assert not [key for key in program.metrics() if 'status="401"' in key]


def test_no_such_router_group(world):
    """The message lists the router groups. HTTP routes, which need no routing API, work."""
    program = world.start_leader(routing_api={**world.peers()["routing_api"], "router_group": "none"})
    world.node("n1", "127.0.0.2")
    world.service("web", {"http-route-sync": "web", "tcp-route-sync": str(world.reservable[0])}, 31001)
    until(lambda: world.http() and "there are default-http, tcp" in program.health()["troubles"].get("routing_api", ""), 8, world.output)
    assert not world.events("web")


def test_a_slow_routing_api_makes_no_duplicates(world):
    """A request that takes longer than the client waits goes on. It is not repeated before it has ended."""
    world.node("n1", "127.0.0.2")
    world.set_state(row_seconds=16)
    program = world.start_leader(routing_api={**world.peers()["routing_api"], "ttl": 120})
    for index in range(3):
        world.service(f"s{index}", {"tcp-route-sync": str(40000 + index)}, 31001 + index)
    until(lambda: "no answer" in program.health().get("troubles", {}).get("routing_api", ""), 50, world.output)
    world.set_state(row_seconds=0.0012)
    until(lambda: len(world.tcp()) == 3 and program.health()["healthy"], 60, world.output)
    assert world.table()["rows"] == 3
    assert "several rows" not in program.output


def test_duplicates_expire_and_are_registered_again(world):
    """The routing API neither renews nor deletes a mapping with two rows. The others are not affected."""
    program = world.start_leader(routing_api={**world.peers()["routing_api"], "ttl": 15})
    tcp, _http = create_routes(world)
    port = world.reservable[1]
    world.service("two", {"tcp-route-sync": str(port)}, 31002)
    both = tcp | {(port, "127.0.0.2:31002")}
    until(lambda: world.tcp() == both, 5, world.output)
    world.set_state(duplicate=port)
    assert world.table()["rows"] == 3
    with RouteWatch(world, tcp, set()) as watch:
        until(lambda: "several rows" in program.output, 15, world.output)
        took = until(lambda: world.table()["rows"] == 2 and world.tcp() == both and program.health()["healthy"], 45, world.output)
    assert not watch.missing
    print(f"\na duplicate is healed {took:.0f} s after it was found, with a ttl of 15 s")


def test_an_old_routing_api_is_named(world):
    world.set_state(tls_port_type="uint16")
    program = world.start_leader()
    world.node("n1", "127.0.0.2")
    world.service("web", {"tcp-route-sync": str(world.reservable[0])}, 31001)
    until(lambda: "expected that of cf-deployment 43 or later" in program.health().get("troubles", {}).get("routing_api", ""), 8, world.output)


def configmap(name: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "kube-system"}}


@pytest.mark.parametrize("damage", [True, False], ids=["damaged", "missing"])
def test_lost_records(world, damage):
    """Lost records lose earlier routes, but not the current ones; and a route that two Services request goes to neither."""
    names = ("cf-route-sync", "cf-route-sync-holders")
    for name in names:
        key = "http-routes.json.gz" if name == names[0] else "holders.json.gz"
        if damage:
            world.patch(configmap(name), {"binaryData": {key: "H4sIAAAA"}})
        else:
            world.forget(f"configmaps/{name}")
    world.service("one", {"http-route-sync": "two-want-it"}, 31005)
    world.service("two", {"http-route-sync": "two-want-it"}, 31006)
    program = world.start_leader()
    create_routes(world)
    assert "is damaged" in program.output if damage else "run site.yml" in program.output
    until(lambda: world.events("one") and world.events("two"), 5, world.output)
    assert "no record of the one that has it" in world.events("one")[0][1]
    assert program.health()["healthy"] == damage
    world.apply_manifest()
    # A new active instance still knows that nobody has it. As soon as one Service remains, that one gets it.
    more = world.service("three", {"http-route-sync": "three"}, 31007)
    until(lambda: "three.apps.example.com" in world.http() and program.health()["healthy"], 15, world.output)
    program.stop(signal.SIGKILL)
    world.forget("leases/cf-route-sync")
    world.start_leader("master-1")
    world.delete(more)
    until(lambda: "three.apps.example.com" not in world.http(), 5, world.output)
    assert "two-want-it.apps.example.com" not in world.http()
    world.delete({**more, "apiVersion": "v1", "kind": "Service", "metadata": {"name": "one", "namespace": "default"}})
    until(lambda: world.http().get("two-want-it.apps.example.com") == {"127.0.0.2:31006"}, 5, world.output)


def test_new_routes_wait_for_the_record(world):
    """If the record cannot be written, routes that exist stay, and new ones wait, so that the next active instance knows every holder."""
    program = world.start_leader()
    tcp, http = create_routes(world)
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "cf-route-sync", "namespace": "kube-system"}}
    rules = world.kube("GET", world.place(role, "cf-route-sync"))["rules"]
    world.patch(role, {"rules": [{**rule, "verbs": ["get"]} if rule["resources"] == ["configmaps"] else rule for rule in rules]})
    world.service("more", {"http-route-sync": "more"}, 31003)
    until(lambda: "holders" in program.health()["troubles"], 5, world.output)
    time.sleep(3)
    assert world.tcp() == tcp and world.http().keys() == http
    world.patch(role, {"rules": rules})
    until(lambda: "more.apps.example.com" in world.http() and program.health()["healthy"], 15, world.output)


def test_wrong_configuration(world):
    """One run reports all mistakes with their paths, and ends with an exit code after which systemd does not restart it."""
    program = world.route_sync(start=False)
    program.config["routing_api"].update(ttl=0, url="http://api", group="x")
    del program.config["cluster"]
    program.config["nats"]["servers"] = ["nats://10.0.0.5:4222"]
    program.configure()
    program.start()
    assert program.process.wait(timeout=10) == 78
    lines = [line.partition(f"{program.path}: ")[2] for line in program.output.splitlines()]
    assert len(lines) == 5
    assert "cluster: missing" in lines
    assert 'routing_api.url: found "http://api", expected an https URL' in lines
    assert 'nats.servers[0]: found "nats://10.0.0.5:4222", expected a URL such as tls://10.0.0.5:4224' in lines


def test_nats_is_verified_by_name(world):
    """The name decides, not the address, which the certificates of cf-deployment do not contain."""
    nats = {**world.config("x", 1)["nats"], "tls_hostname": "nats.service.cf.internal"}
    program = world.start_leader(nats=nats)
    until(lambda: "nats.service.cf.internal" in program.health().get("troubles", {}).get("nats", ""), 10, program.health)

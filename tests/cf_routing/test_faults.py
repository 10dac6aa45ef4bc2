# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What breaks, and what it costs."""

from __future__ import annotations

import pathlib
import signal
import threading
import time

from _world import NATS_PASSWORD, ROUTING_SECRET, SCOPES, until

# Two lives of a TCP route here, where ttl is 9: an outage that nobody repairs would show.
OUTAGE_SECONDS = 6


class Lost:
    """Watches the tables from the side, and remembers what was missing."""

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

    def __enter__(self) -> Lost:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()


def routed(world) -> tuple[set, set]:
    """A Service with both kinds of route, and what these are."""
    world.node("n1", "127.0.0.2")
    port = world.reservable[0]
    world.service("web", {"http-route-sync": "web", "tcp-route-sync": str(port)}, 31001)
    tcp, http = {(port, "127.0.0.2:31001")}, {"web.apps.example.com"}
    until(lambda: world.tcp() == tcp and world.http().keys() == http, 8, world.said)
    return tcp, http


def test_takeover(world):
    """Killed: another takes over within 30 s, and no route is lost. Stopped: at once. The last one takes its routes along."""
    # With the life that routes have in production.
    production = {**world.peers()["routing_api"], "ttl": 60}
    first = world.leading("master-0", routing_api=production)
    second = world.route_sync("master-1", routing_api=production)
    tcp, http = routed(world)
    until(lambda: second.health().get("leader") is False, 5, world.said)
    with Lost(world, tcp, http) as lost:
        first.stop(signal.SIGKILL)
        killed = until(lambda: second.health().get("leader"), 30, world.said)
        first.start()
        until(lambda: first.health().get("leader") is False, 5, world.said)
        ended = second.stop()
        stopped = until(lambda: first.health().get("leader"), 5, world.said)
        world.service("more", {"http-route-sync": "more"}, 31003)
        until(lambda: "more.apps.example.com" in world.http(), 5, world.said)
    print(f"\nleader killed: another acts after {killed:.1f} s; stopped: after {ended + stopped:.1f} s")
    assert not lost.missing
    assert ended < 10
    assert first.stop() < 10
    assert not world.tcp() and not world.http()


def test_api_server_away(world):
    """Without the API server there is no lease: it ends acting, stays alive, and acts again."""
    program = world.leading()
    tcp, http = routed(world)
    world.kill_api_server()
    try:
        until(lambda: program.health().get("leader") is False, 15, world.said)
        assert not program.health()["healthy"]
    finally:
        world.apiserver.start()
        world.apiserver.await_ready()
    until(lambda: program.health().get("leader") and program.health()["healthy"], 30, world.said)
    until(lambda: world.tcp() == tcp and world.http().keys() == http, 8, world.said)


def test_outages(world):
    """NATS, UAA and the routing API go and come; nothing is lost, and nobody restarts anything."""
    program = world.leading()
    tcp, http = routed(world)
    pid = program.process.pid
    with Lost(world, tcp, http) as lost:
        for part in ("uaa", "routing_api"):
            world.steer(down=[part], revoke=True)
            until(lambda: not program.health()["healthy"], OUTAGE_SECONDS, world.said)
            time.sleep(OUTAGE_SECONDS / 3)
            world.steer(down=[])
            took = until(lambda: program.health()["healthy"], 12, world.said)
            print(f"\n{part} is back: healthy after {took:.1f} s", end="")
        world.nats.stop()
        until(lambda: "nats" in program.health()["troubles"], OUTAGE_SECONDS, world.said)
        more = world.service("more", {"http-route-sync": "more"}, 31003)
        time.sleep(OUTAGE_SECONDS / 3)
        world.nats.start()
        took = until(lambda: "more.apps.example.com" in world.http(), 15, world.said)
        print(f"\nNATS is back: what was asked meanwhile is there after {took:.1f} s")
    assert not lost.missing
    world.nats.stop()
    world.delete(more)
    world.nats.start()
    until(lambda: world.http().keys() == http and program.health()["healthy"], 15, world.said)
    assert program.process.pid == pid and program.process.poll() is None


def test_gorouter_starts_empty(world):
    """A router that starts hears of everything at once."""
    program = world.leading()
    _tcp, http = routed(world)
    world.gorouter.stop()
    world.gorouter.start()
    took = until(lambda: world.gorouter_answers() and world.http().keys() == http, 5, world.said)
    print(f"\na new gorouter knows everything {took:.1f} s after its start")
    assert program.health()["healthy"]


def test_wrong_secrets(world):
    """A clear complaint instead of a crash, and the right secret is picked up when it comes."""
    pathlib.Path(world.secret_file).write_text("wrong")
    pathlib.Path(world.password_file).write_text("wrong")
    program = world.leading()
    world.node("n1", "127.0.0.2")
    world.service("web", {"http-route-sync": "web", "tcp-route-sync": str(world.reservable[0])}, 31001)
    until(lambda: {"uaa", "nats"} <= program.health()["troubles"].keys(), 8, world.said)
    troubles = program.health()["troubles"]
    assert f"its id or the secret in {world.secret_file} is wrong" in troubles["uaa"]
    assert f"name or password in {world.password_file} is wrong" in troubles["nats"]
    time.sleep(2)
    # Said once, not at every attempt.
    assert program.said.count("its id or the secret") <= 2
    pathlib.Path(world.secret_file).write_text(f"{ROUTING_SECRET}\n")
    pathlib.Path(world.password_file).write_text(NATS_PASSWORD)
    until(lambda: world.tcp() and world.http() and program.health()["healthy"], 15, world.said)
    # A client without the right scopes is told apart from a wrong secret.
    world.steer(clients={"routing": {"secret": ROUTING_SECRET, "scopes": SCOPES[:1]}}, revoke=True)
    until(lambda: "needs the authorities" in program.health()["troubles"].get("routing_api", ""), 10, world.said)


def test_tokens_end(world):
    """Tokens that live for two seconds are renewed before they end."""
    world.steer(token_seconds=2)
    program = world.leading()
    routed(world)
    until(lambda: world.table()["requests"]["POST /oauth/token"] > 2, 12, world.said)
    assert not [key for key in program.metrics() if 'status="401"' in key]


def test_no_such_router_group(world):
    """Said with the names there are; what needs no routing API goes on."""
    program = world.leading(routing_api={**world.peers()["routing_api"], "router_group": "none"})
    world.node("n1", "127.0.0.2")
    world.service("web", {"http-route-sync": "web", "tcp-route-sync": str(world.reservable[0])}, 31001)
    until(lambda: world.http() and "there are default-http, tcp" in program.health()["troubles"].get("routing_api", ""), 8, world.said)
    assert not world.events("web")


def test_damaged_record(world):
    """It costs what it told, not the routes of today."""
    metadata = {"name": "cf-route-sync", "namespace": "kube-system"}
    world.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": {"http-routes.json.gz": "H4sIAAAA"}})
    program = world.leading()
    routed(world)
    assert "is damaged" in program.said and program.health()["healthy"]


def test_wrong_configuration(world):
    """Every mistake in one run, each by its place, and an exit code that systemd does not restart."""
    program = world.route_sync(start=False)
    program.config["routing_api"].update(ttl=0, url="http://api", group="x")
    del program.config["cluster"]
    program.config["nats"]["servers"] = ["nats://10.0.0.5:4222"]
    program.configure()
    program.start()
    assert program.process.wait(timeout=10) == 78
    lines = [line.partition(f"{program.path}: ")[2] for line in program.said.splitlines()]
    assert len(lines) == 5
    assert "cluster: it is missing" in lines
    assert 'routing_api.url: found "http://api", allowed is an https URL' in lines
    assert 'nats.servers[0]: found "nats://10.0.0.5:4222", allowed is a URL such as tls://10.0.0.5:4224' in lines

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""cf-api-registrar: the route of a master's API server."""

from __future__ import annotations

import concurrent.futures
import signal
import socket
import ssl
import threading
import time

import pytest
from _etcd import free_ports
from _world import Program, until
from test_routes import fetch_token, post


@pytest.fixture
def registrar(world):
    def make(name: str = "registrar", backend: dict | None = None, start: bool = True, **changes) -> Program:
        (port,) = free_ports(1)
        peers = world.peers()
        config = {
            "listen": f"127.0.0.1:{port}",
            "uaa": peers["uaa"],
            "routing_api": {**peers["routing_api"], "port": world.reservable[0], **changes},
            "backend": backend or {"ip": "127.0.0.1", "port": world.apiserver.port},
            "ready": {"url": f"https://127.0.0.1:{world.apiserver.port}/readyz", "ca_file": world.authority_of_cluster},
            "masters": {"kubeconfig": world.registrar_kubeconfig},
        }
        program = Program(world.directory, name, "api_registrar", config)
        world.programs.append(program)
        if start:
            program.start()
        return program

    return make


def test_a_route_follows_the_readiness_of_the_api_server(world, registrar):
    """The route exists while the API server is ready. It is removed if the API server is not ready, and at a clean stop."""
    program = registrar()
    route = {(world.reservable[0], f"127.0.0.1:{world.apiserver.port}")}
    until(lambda: world.tcp() == route, 5, world.output)
    world.kill_api_server()
    try:
        took = until(lambda: not world.tcp(), 8, world.output)
        assert not program.health()["healthy"]
    finally:
        world.apiserver.start()
        world.apiserver.await_ready()
    back = until(lambda: world.tcp() == route, 8, world.output)
    print(f"\nAPI server down: its route is gone after {took:.1f} s, and back {back:.1f} s after it is ready")
    assert program.stop() < 10
    assert not world.tcp() and world.table()["rows"] == 0


def test_the_route_of_a_killed_registrar_expires(world, registrar):
    """Heartbeats renew one row. After a kill, the row expires."""
    program = registrar(ttl=5)
    until(world.tcp, 5, world.output)
    first = world.table()["routes"][0]["modification_tag"]
    until(lambda: world.table()["routes"][0]["modification_tag"]["index"] > first["index"] + 1, 10, world.output)
    assert world.table()["rows"] == 1
    program.stop(signal.SIGKILL)
    took = until(lambda: not world.tcp(), 10, world.output)
    print(f"\nmaster killed: its route is gone after {took:.1f} s of ttl 5")


def test_clusters_share_a_port_by_sni(world, registrar):
    """Each cluster has its own host name."""
    registrar("one", sni_hostname="one.example.com")
    registrar("two", sni_hostname="two.example.com")
    until(
        lambda: {route["backend_sni_hostname"] for route in world.table()["routes"]} == {"one.example.com", "two.example.com"},
        5,
        world.output,
    )


def test_foreign_backends_are_reported(world, registrar):
    """Somebody else's route on the port of the API is a warning, also one for clients without a server name. Other masters and clusters are none."""
    port = world.reservable[0]
    token = fetch_token(world)
    group = next(group["guid"] for group in world.table()["groups"] if group["name"] == "tcp")
    row = {"router_group_guid": group, "port": port, "backend_tls_port": -1, "ttl": 120}
    rows = [
        {**row, "backend_ip": "127.0.0.2", "backend_port": 30080, "instance_id": "cfcr-evil"},
        {**row, "backend_ip": "127.0.0.3", "backend_port": 8443, "instance_id": "cfcr-api"},
        {**row, "backend_ip": "127.0.0.4", "backend_port": 8443, "instance_id": "x", "backend_sni_hostname": "two.example.com"},
    ]
    post(world, "tcp_routes/create", rows, token)
    program = registrar(sni_hostname="one.example.com")
    until(lambda: program.health().get("warnings"), 5, world.output)
    (warning,) = program.health()["warnings"].values()
    assert "found 1 backends that are no masters (127.0.0.2:30080 of cfcr-evil), expected none" in warning
    # A restart would not help.
    assert program.health()["healthy"] and program.metrics()["cf_routing_foreign_backends"] == 1
    post(world, "tcp_routes/delete", rows, token)


def test_port_not_reservable(world, registrar):
    """The routing API does not check this."""
    program = registrar(port=9)
    until(lambda: "port 9 is not among the reservable ports" in program.health().get("troubles", {}).get("routing_api", ""), 5, world.output)
    assert not world.tcp()


def test_no_such_group(world, registrar):
    program = registrar(router_group="none")
    until(lambda: "there are default-http, tcp" in program.health().get("troubles", {}).get("routing_api", ""), 5, world.output)


def dead(index: int) -> dict:
    """Return a backend that refuses connections, as that of a master whose processes are dead."""
    return {"ip": f"127.0.0.{10 + index}", "port": 9}


def test_the_route_of_a_dead_master_is_withdrawn(world, registrar):
    """The living master deletes it within seconds, long before it expires, and clients reach only the living one."""
    registrar("one", ttl=60)
    other = registrar("two", backend=dead(1), ttl=60)
    port = world.reservable[0]
    living, gone = (port, f"127.0.0.1:{world.apiserver.port}"), (port, "127.0.0.11:9")
    until(lambda: world.tcp() == {living, gone}, 20, world.output)
    world.routers.start()
    try:
        until(lambda: connects(port) and reloads(world) >= 2, 20, world.output)
        time.sleep(3)
        # It lives: nobody withdraws its route, although it refuses connections.
        assert world.tcp() == {living, gone}
        with NewConnections(port) as connections:
            time.sleep(0.5)
            other.stop(signal.SIGKILL)
            killed = time.monotonic()
            took = until(lambda: world.tcp() == {living}, 8, world.output)
            time.sleep(4)
        assert connections.failed and connections.failed[-1] < killed + took + 3
        outage = connections.failed[-1] - killed
    finally:
        world.routers.stop()
    print(f"\nmaster dead: another one withdraws its route after {took:.1f} s; the last connection that failed began after {outage:.1f} s")
    # The entry is gone with the route. When the master is back, so is its route.
    until(lambda: entries(world).keys() == {f"127.0.0.1_{world.apiserver.port}"}, 3, world.output)
    other.start()
    until(lambda: world.tcp() == {living, gone}, 20, world.output)


def test_the_route_of_a_master_that_accepts_connections_stays(world, registrar):
    """Its registrar is dead, but clients reach its API server. The route expires unless the registrar returns."""
    registrar("one", backend=dead(1), ttl=60)
    other = registrar("two", ttl=60)
    both = {(world.reservable[0], "127.0.0.11:9"), (world.reservable[0], f"127.0.0.1:{world.apiserver.port}")}
    until(lambda: world.tcp() == both, 20, world.output)
    other.stop(signal.SIGKILL)
    time.sleep(7)
    assert world.tcp() == both


def test_a_withdrawn_route_returns(world, registrar):
    """A registrar that was stopped for a while registers its route as soon as it goes on."""
    registrar("one", ttl=60)
    other = registrar("two", backend=dead(1), ttl=60)
    both = {(world.reservable[0], f"127.0.0.1:{world.apiserver.port}"), (world.reservable[0], "127.0.0.11:9")}
    until(lambda: world.tcp() == both, 20, world.output)
    other.process.send_signal(signal.SIGSTOP)
    until(lambda: len(world.tcp()) == 1, 8, lambda: f"{entries(world)} {world.output()}")
    other.process.send_signal(signal.SIGCONT)
    took = until(lambda: world.tcp() == both, 20, world.output)
    print(f"\na master that goes on has its route again after {took:.1f} s")
    # Nor does a late deletion take it away for long.
    post(world, "tcp_routes/delete", [row for row in world.table()["routes"] if row["backend_ip"] == "127.0.0.11"], fetch_token(world))
    until(lambda: world.tcp() == both, 4, world.output)


def test_without_a_majority_nobody_is_withdrawn(world, registrar):
    """While the API server cannot write, no master judges another one; each deletes its own route, because it is not ready."""
    program = registrar("one", backend=dead(1), ttl=60)
    registrar("two", backend=dead(2), ttl=60).stop(signal.SIGKILL)
    world.forget("leases/cf-api-registrar")
    until(lambda: "masters" in "".join(program.health().get("warnings", {})), 5, world.output)
    post(world, "tcp_routes/create", [row_of(world, "127.0.0.12")], fetch_token(world))
    time.sleep(6)
    assert (world.reservable[0], "127.0.0.12:9") in world.tcp()
    assert program.health()["healthy"]


def row_of(world, ip: str) -> dict:
    group = next(group["guid"] for group in world.table()["groups"] if group["name"] == "tcp")
    return {"router_group_guid": group, "port": world.reservable[0], "backend_ip": ip, "backend_port": 9, "backend_tls_port": -1, "ttl": 60}


def entries(world) -> dict:
    lease = world.kube("GET", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/cf-api-registrar")
    return lease["metadata"].get("annotations") or {}


def connects(port: int) -> bool:
    """Return whether the routers lead a connection to a server that speaks TLS."""
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as plain, tls.wrap_socket(plain):
            return True
    except OSError:
        return False


class NewConnections(threading.Thread):
    """Opens connections inside the block, five in a second, none of which waits for another one, and notes when those began that failed."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port, self._end = port, threading.Event()
        self.failed: list[float] = []

    def run(self) -> None:
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            while not self._end.wait(0.2):
                pool.submit(self._open)
        self.failed.sort()

    def _open(self) -> None:
        begin = time.monotonic()
        if not connects(self._port):
            self.failed.append(begin)

    def __enter__(self) -> NewConnections:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self.join()


def reloads(world) -> int:
    path = world.directory / "routers/haproxy.cfg"
    return path.read_text().count("  server ") if path.exists() else 0

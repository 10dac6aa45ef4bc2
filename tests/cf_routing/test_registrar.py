# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""cf-api-registrar: the route of a master's API server."""

from __future__ import annotations

import signal

import pytest
from _etcd import free_ports
from _world import Program, until
from test_routes import fetch_token, post


@pytest.fixture
def registrar(world):
    def make(name: str = "registrar", **changes) -> Program:
        (port,) = free_ports(1)
        peers = world.peers()
        config = {
            "listen": f"127.0.0.1:{port}",
            "uaa": peers["uaa"],
            "routing_api": {**peers["routing_api"], "port": world.reservable[0], **changes},
            "backend": {"ip": "127.0.0.1", "port": world.apiserver.port},
            "ready": {"url": f"https://127.0.0.1:{world.apiserver.port}/readyz", "ca_file": world.authority_of_cluster},
        }
        program = Program(world.directory, name, "api_registrar", config)
        world.programs.append(program)
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

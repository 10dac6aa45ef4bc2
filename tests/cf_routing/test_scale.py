# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""1,000 labelled Services on 100 nodes, and hostile Services among honest ones. All exist as objects of the API only."""

from __future__ import annotations

import concurrent.futures
import itertools
import json
import signal
import string
import time

from _etcd import free_ports
from _world import Program, until

SERVICES, NODES = 1000, 100
HALF = SERVICES // 2
TTL, INTERVAL = 120, 20
# A TCP route has at most 10 backends by default.
ROWS = HALF * 10
# MiB, in the units of role cf_routing.
MEMORY_MAX, REGISTRAR_MEMORY_MAX = 256, 192
LABELS = [{"tcp-route-sync": str(40000 + index)} if index < HALF else {"http-route-sync": f"app-{index}"} for index in range(SERVICES)]


def test_scale(world):
    """Half of the Services have TCP routes, half HTTP routes, with the intervals of production. Print the cost of heartbeats and of a change."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda index: world.node(f"n{index}", f"127.1.0.{index + 1}"), range(NODES)))
        list(pool.map(lambda index: world.service(f"s{index}", LABELS[index], 30000 + index), range(SERVICES)))
    with world.production():
        program = world.start_leader(routing_api={**world.peers()["routing_api"], "ttl": TTL})
        try:
            measure(world, program)
            measure_registrar(world)
            take_over(world, program)
        finally:
            program.stop(signal.SIGKILL)


def measure(world, program) -> None:
    first = until(lambda: world.counts()["rows"] == ROWS and world.counts()["endpoints"] == HALF * NODES, 60, world.output)
    # The first renewals begin a third of the ttl later, and are paced.
    until(lambda: program.metrics()["cf_routing_heartbeat_share"] > 0, TTL, world.output)
    share = program.metrics()["cf_routing_heartbeat_share"]
    # More only if this machine is so slow that the renewals would not be in time otherwise.
    assert share <= max(0.205, program.metrics()['cf_routing_heartbeat_seconds{kind="tcp"}'] / (TTL * 2 / 3) + 0.005)
    begin, before, used = time.monotonic(), world.counts(), program.usage()[0]
    time.sleep(INTERVAL)
    seconds, after, (cpu, memory) = time.monotonic() - begin, world.counts(), program.usage()
    assert after["rows"] == ROWS and after["endpoints"] == HALF * NODES, "heartbeats keep every route"
    asked = {key: count - before["requests"].get(key, 0) for key, count in after["requests"].items()}
    asked["router.register"] = after["router.register"] - before["router.register"]
    # Each registration is sent once in an interval, or twice if it falls on both edges.
    assert 0 < asked["router.register"] <= 2 * HALF * NODES, "no more than a registration in each interval"
    tcp, http = (program.metrics()[f'cf_routing_heartbeat_seconds{{kind="{kind}"}}'] for kind in ("tcp", "http"))
    print(
        f"\n{SERVICES} Services x {NODES} nodes: all routes after {first:.1f} s; then {(cpu - used) / seconds:.1%} of a core "
        f"and {memory:.0f} MiB of memory at most; a heartbeat takes {tcp:.1f} s (TCP) and {http:.1f} s (HTTP), "
        f"{share:.0%} of the routing API's time, and asks in {seconds:.0f} s: {asked}"
    )
    service = world.kube("GET", "/api/v1/namespaces/default/services/s0")
    world.patch({**service, "apiVersion": "v1", "kind": "Service"}, {"metadata": {"labels": {"tcp-route-sync": None}}})
    took = until(lambda: world.counts()["rows"] == ROWS - 10, 10, world.output)
    world.service("late", {"http-route-sync": "late"}, 31999)
    more = until(lambda: "late.apps.example.com" in world.http(), 10, world.output)
    print(f"label removed: routes gone after {took:.1f} s; Service added: routes exist after {more:.1f} s")


def measure_registrar(world) -> None:
    """Print the memory of a registrar, which reads all routes to find foreign ones on its port."""
    (port,) = free_ports(1)
    config = {
        "listen": f"127.0.0.1:{port}",
        "uaa": world.peers()["uaa"],
        "routing_api": {**world.peers()["routing_api"], "port": 41999, "ttl": TTL},  # of no Service
        "backend": {"ip": "127.0.0.1", "port": world.apiserver.port},
        "ready": {"url": f"https://127.0.0.1:{world.apiserver.port}/readyz", "ca_file": world.authority_of_cluster},
    }
    program = Program(world.directory, "registrar", "api_registrar", config)
    world.programs.append(program)
    rows = world.counts()["rows"]
    program.start()
    until(lambda: world.counts()["rows"] == rows + 1, 20, world.output)
    time.sleep(3)
    assert program.health() == {"healthy": True, "troubles": {}}
    memory = program.usage()[1]
    print(f"a registrar that reads {ROWS} routes needs {memory:.0f} MiB of memory at most")
    assert memory < REGISTRAR_MEMORY_MAX / 1.5
    program.stop()


def take_over(world, program) -> None:
    """Print the memory of an instance that takes over: it reads all routes of the former one."""
    program.stop(signal.SIGKILL)
    world.forget("leases/cf-route-sync")
    second = world.start_leader("master-1", routing_api={**world.peers()["routing_api"], "ttl": TTL})
    try:
        sent = HALF * NODES
        until(lambda: second.metrics().get('cf_routing_nats_messages_total{subject="router.register"}', 0) >= sent, 30, world.output)
        until(lambda: second.metrics().get('cf_routing_heartbeat_seconds{kind="tcp"}', 0) > 0, 30, world.output)
        assert world.counts()["rows"] == ROWS - 10
        print(f"an instance that takes over needs {second.usage()[1]:.0f} MiB of memory at most")
        assert second.usage()[1] < MEMORY_MAX / 2
    finally:
        second.stop(signal.SIGKILL)


WORDS = ["".join(word) for word in itertools.islice(itertools.product(string.ascii_lowercase + string.digits, repeat=3), 46_000)]
LONG = [f"{index:02}{'x' * 61}.{'y' * 63}.{'z' * 63}.{'v' * 44}.apps.example.com" for index in range(19)]
HONEST, HOSTILE, HUGE = 300, 300, 30
ATTACKS = [
    {"http-route-hosts": ",".join(WORDS)},
    {"http-route-hosts": ",".join(LONG), "http-route-path": f"/{'p' * 127}"},
    {"http-route-hosts": ",".join(WORDS[:30_000]), "http-route-path": f"/{'p' * 100_000}"},
    {"http-route-hosts": '"}]}, \u202e\u2028, ſ, \u0000, *, apps.example.com', "http-route-path": '"},{"host":"10.0.0.9', "http-route-tls-name": "x" * 90_000},
    {"tcp-routes": ",".join(f"{port}=80" for port in range(40_000, 42_000))},
    {"http-route-hosts": ",".join(f"app-{index}" for index in range(19)), "tcp-routes": ",".join(f"{40_000 + index}=80" for index in range(1, 36, 2))},
]


def honest_labels(index: int) -> dict[str, str]:
    return {"tcp-route-sync": str(40_000 + index)} if index % 2 else {"http-route-sync": f"app-{index}"}


def test_hostile_services(world):
    """Older Services request everything that an honest one has, and more than NATS or the memory could take, and change it all the time.

    The honest ones keep their routes, also when another instance takes over.
    """
    namespace = world.namespace("evil")
    labels = [{"http-route-sync": f"app-{2 * index}", "tcp-route-sync": str(40_001 + 2 * index)} for index in range(HOSTILE)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        evil = list(pool.map(lambda index: world.service(f"evil-{index}", {}, 31000 + index, namespace=namespace), range(HOSTILE)))
        list(pool.map(lambda index: world.node(f"n{index}", f"127.1.0.{index + 1}"), range(10)))
        world.node("liar", '10.0.0.1","port":1,"x":"')
        list(pool.map(lambda index: world.service(f"s{index}", honest_labels(index), 30000 + index), range(HONEST)))
        list(pool.map(lambda index: huge(world, index, namespace), range(HUGE)))
        program = world.start_leader(routing_api={**world.peers()["routing_api"], "ttl": 60})
        until(lambda: honest(world), 30, world.output)

        def attack(index: int, turn: int = 0) -> None:
            annotations = {f"cfcr.io/{key}": value for key, value in ATTACKS[index % len(ATTACKS)].items()}
            metadata = {"labels": labels[index], "annotations": {**annotations, "cfcr.io/http-route-port": "80", "turn": str(turn)}}
            if turn % 2:
                metadata["annotations"]["cfcr.io/http-route-hosts"] = f"turn-{turn}-{index}, "
            world.patch({**evil[index], "apiVersion": "v1", "kind": "Service"}, {"metadata": metadata})

        list(pool.map(attack, range(HOSTILE)))
        # The interval is 2 s, and gorouter forgets a route after 20 s without a registration.
        begin, used, turns = time.monotonic(), program.usage()[0], itertools.count(1)
        while time.monotonic() < begin + 25:
            list(pool.map(attack, range(0, HOSTILE, 10), itertools.repeat(next(turns))))
            assert honest(world), world.output()
        seconds = time.monotonic() - begin
        cpu, memory = program.usage()
        assert program.health()["healthy"], program.health()
        assert program.process.poll() is None and "works again" not in program.output
        heartbeat = program.metrics()['cf_routing_heartbeat_seconds{kind="http"}']
        print(
            f"\n{HOSTILE} hostile among {HONEST} honest Services: {(cpu - used) / seconds:.0%} of a core, {memory:.0f} MiB of memory at most; "
            f"a heartbeat takes {heartbeat:.1f} s"
        )
        assert memory < MEMORY_MAX / 2
        until(lambda: {reason for reason, _message in world.events("evil-0", namespace)} >= {"RouteClash", "RouteLimit"}, 60, world.output)
    program.stop(signal.SIGKILL)
    world.forget("leases/cf-route-sync")
    program = world.start_leader("master-1", routing_api={**world.peers()["routing_api"], "ttl": 60})
    until(lambda: program.metrics().get('cf_routing_heartbeat_seconds{kind="http"}', 0) > 0, 20, world.output)
    time.sleep(2)
    size = len(json.dumps(world.kube("GET", f"/api/v1/namespaces/{namespace}/services/huge-0")))
    assert honest(world), world.output()
    memory = program.usage()[1]
    print(f"an instance that takes over reads {HUGE} Services of {size / 2**20:.1f} MiB, among others, and needs {memory:.0f} MiB of memory at most")
    assert memory < MEMORY_MAX / 2


def huge(world, index: int, namespace: str) -> None:
    """Create a Service with so many ports that it is near the API server's limit on the size of an object."""
    ports = [{"name": f"p{port}", "port": port} for port in range(1, 6000)]
    world.service(f"huge-{index}", {"http-route-sync": f"huge-{index}"}, namespace=namespace, type="ClusterIP", ports=ports)


def honest(world) -> bool:
    """Return whether every honest Service has its routes, and nobody else has a share of them."""
    http, tcp = world.http(), world.tcp()
    addresses = [f"127.1.0.{index + 1}" for index in range(10)]
    for index in range(HONEST):
        backends = {f"{address}:{30000 + index}" for address in addresses}
        found = {backend for port, backend in tcp if port == 40_000 + index} if index % 2 else http.get(f"app-{index}.apps.example.com")
        if found != backends:
            return False
    return True

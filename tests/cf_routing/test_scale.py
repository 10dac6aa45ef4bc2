# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""1,000 labelled Services on 100 nodes, which are objects of the API only."""

from __future__ import annotations

import concurrent.futures
import time

from _world import until

SERVICES, NODES = 1000, 100
HALF = SERVICES // 2


def test_scale(world):
    """Half of them ask for TCP, half for HTTP: what a heartbeat costs. Prints figures; fails only where nothing works."""
    items = range(SERVICES)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: world.node(f"n{index}", f"127.1.0.{index + 1}"), range(NODES)))
        labels = [{"tcp-route-sync": str(40000 + index)} if index < HALF else {"http-route-sync": f"app-{index}"} for index in items]
        list(pool.map(lambda index: world.service(f"s{index}", labels[index], 30000 + index), items))
    world.steer(forget=True)
    program = world.leading(routing_api={**world.peers()["routing_api"], "ttl": 30})
    begin = time.monotonic()
    until(lambda: world.table()["rows"] == HALF * NODES, 60, world.said)
    until(lambda: len(world.http()) == HALF and all(len(backends) == NODES for backends in world.http().values()), 60, world.said)
    first = time.monotonic() - begin
    figures = [measure(world, program) for _round in range(2)]
    requests = {key: figures[1][1].get(key, 0) - figures[0][1].get(key, 0) for key in figures[1][1]}
    seconds, cpu = figures[1][0] - figures[0][0], figures[1][2] - figures[0][2]
    metrics = program.metrics()
    print(report(first, seconds, cpu, figures[1][3], requests, metrics))
    begin = time.monotonic()
    world.kube("PATCH", "/api/v1/namespaces/default/services/s0", {"metadata": {"labels": {"tcp-route-sync": None}}}, "application/merge-patch+json")
    until(lambda: world.table()["rows"] == (HALF - 1) * NODES, 10, world.said)
    print(f"one label removed: gone after {time.monotonic() - begin:.1f} s")
    program.stop(9)
    world.steer(down=[])


def measure(world, program):
    """Wait for the length of a heartbeat of NATS and of the routing API, and read the counters."""
    time.sleep(10)
    table = world.table()
    cpu, memory = program.usage()
    counts = world.ask_gorouter("counts")
    return time.monotonic(), {**table["requests"], "router.register": counts["router.register"]}, cpu, memory


def report(first, seconds, cpu, memory, requests, metrics) -> str:
    tcp, http = (metrics[f'cf_routing_heartbeat_seconds{{kind="{kind}"}}'] for kind in ("tcp", "http"))
    return (
        f"\n{SERVICES} Services x {NODES} nodes: all routes after {first:.1f} s; then in {seconds:.0f} s: {cpu / seconds:.1%} of a core, "
        f"{memory:.0f} MiB of memory at most; a heartbeat takes {tcp:.1f} s (TCP) and {http:.1f} s (HTTP); asked: {requests}"
    )

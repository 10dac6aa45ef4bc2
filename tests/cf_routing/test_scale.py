# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""1,000 labelled Services on 100 nodes, which exist as objects of the API only."""

from __future__ import annotations

import concurrent.futures
import signal
import time

from _world import until

SERVICES, NODES = 1000, 100
HALF = SERVICES // 2
TTL, INTERVAL = 60, 20
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
        finally:
            program.stop(signal.SIGKILL)


def measure(world, program) -> None:
    first = until(lambda: world.counts()["rows"] == HALF * NODES and world.counts()["endpoints"] == HALF * NODES, 60, world.output)
    begin, before, used = time.monotonic(), world.counts(), program.usage()[0]
    time.sleep(INTERVAL)
    seconds, after, (cpu, memory) = time.monotonic() - begin, world.counts(), program.usage()
    assert after["rows"] == after["endpoints"] == HALF * NODES, "heartbeats keep every route"
    asked = {key: count - before["requests"].get(key, 0) for key, count in after["requests"].items()}
    asked["router.register"] = after["router.register"] - before["router.register"]
    # Each registration is sent once in an interval, or twice if it falls on both edges.
    assert 0 < asked["router.register"] <= 2 * HALF * NODES, "no more than a registration in each interval"
    tcp, http = (program.metrics()[f'cf_routing_heartbeat_seconds{{kind="{kind}"}}'] for kind in ("tcp", "http"))
    print(
        f"\n{SERVICES} Services x {NODES} nodes: all routes after {first:.1f} s; then {(cpu - used) / seconds:.1%} of a core "
        f"and {memory:.0f} MiB of memory at most; a heartbeat takes {tcp:.1f} s (TCP) and {http:.1f} s (HTTP), and asks in {seconds:.0f} s: {asked}"
    )
    service = world.kube("GET", "/api/v1/namespaces/default/services/s0")
    world.patch({**service, "apiVersion": "v1", "kind": "Service"}, {"metadata": {"labels": {"tcp-route-sync": None}}})
    took = until(lambda: world.counts()["rows"] == (HALF - 1) * NODES, 10, world.output)
    world.service("late", {"http-route-sync": "late"}, 31999)
    more = until(lambda: "late.apps.example.com" in world.http(), 10, world.output)
    print(f"label removed: routes gone after {took:.1f} s; Service added: routes exist after {more:.1f} s")

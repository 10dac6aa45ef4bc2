# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the event source tells of hosts, and when."""

from __future__ import annotations

import asyncio
import socket

import pytest
from ansible_collections.cfcr.kubernetes.extensions.eda.plugins.event_source.cluster_hosts import Watch, greets, watched


def test_a_host_is_told_when_it_is_certain_and_again_while_it_stays_silent():
    watch = Watch(times=2, again_seconds=60, scan_seconds=0)
    silent = {"a": True, "b": False}
    told = {now: watch.events(silent, now) for now in (0, 3, 6, 63, 66)}
    down = [{"kind": "down", "hosts": ["b"]}]
    assert told == {0: [], 3: down, 6: [], 63: down, 66: []}
    assert watch.events({"a": True, "b": True}, 69) == []


def test_one_more_host_is_told_at_once():
    watch = Watch(times=1, again_seconds=60, scan_seconds=0)
    watch.events({"a": True, "b": False}, 0)
    assert watch.events({"a": False, "b": False}, 3) == [{"kind": "down", "hosts": ["a", "b"]}]


def test_a_scan_is_asked_for_every_now_and_then():
    watch = Watch(times=1, again_seconds=60, scan_seconds=100)
    assert [len(watch.events({}, now)) for now in (0, 99, 100, 150, 200)] == [1, 0, 1, 0, 1]


def test_hosts_of_the_cluster_are_watched_where_they_listen():
    hostvars = {"w": {"ansible_host": "10.0.0.1", "ansible_port": "2222"}}
    inventory = {
        "_meta": {"hostvars": hostvars}, "worker": {"hosts": ["w", "i"]}, "etcd": {"hosts": ["e"]}, "ignored": {"hosts": ["i"]},
        "director": {"hosts": ["d"]},
    }  # fmt: skip
    assert watched(inventory) == {"e": ("e", 22), "w": ("10.0.0.1", 2222)}


@pytest.mark.parametrize(("greeting", "well"), [(b"SSH-2.0-OpenSSH_9.2\r\n", True), (b"HTTP/1.1\r\n", False), (None, False)])
def test_a_host_that_accepts_connections_may_still_hang(greeting, well):
    async def ask():
        async def serve(_reader, writer):
            if greeting:
                writer.write(greeting)
            else:
                await asyncio.sleep(1)
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            return await greets("127.0.0.1", server.sockets[0].getsockname()[1], 0.3)

    assert asyncio.run(ask()) is well


def test_a_host_that_is_not_there_does_not_greet():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert asyncio.run(greets("127.0.0.1", unused.getsockname()[1], 0.3)) is False

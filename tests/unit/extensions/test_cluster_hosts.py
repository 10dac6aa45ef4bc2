# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events of the event source about hosts, and their times."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
from ansible_collections.cfcr.kubernetes.extensions.eda.plugins.event_source import cluster_hosts
from ansible_collections.cfcr.kubernetes.extensions.eda.plugins.event_source.cluster_hosts import Watch, sends_banner, ssh_endpoints


def test_a_host_is_reported_after_repeated_failures_and_again_while_it_is_down():
    watch = Watch(times=2, again_seconds=60, scan_seconds=0)
    watch.events({"a": True, "b": True}, -3)
    silent = {"a": True, "b": False}
    events = {now: watch.events(silent, now) for now in (0, 3, 6, 63, 66)}
    down = [{"kind": "down", "hosts": ["b"]}]
    assert events == {0: [], 3: down, 6: [], 63: down, 66: []}
    assert watch.events({"a": True, "b": True}, 69) == []


def test_an_additional_host_is_reported_at_once():
    watch = Watch(times=1, again_seconds=60, scan_seconds=0)
    watch.events({"a": True, "b": True}, -3)
    watch.events({"a": True, "b": False}, 0)
    assert watch.events({"a": False, "b": False}, 3) == [{"kind": "down", "hosts": ["a", "b"]}]


def test_a_host_that_never_answered_is_left_to_the_scans():
    """It may be behind a bastion, which the source does not know. A host that answered once is reachable without one."""
    watch = Watch(times=2, again_seconds=60, scan_seconds=0)
    answers = [{"behind-a-bastion": False, "b": answered} for answered in (False, False, False, True, False, False)]
    assert [watch.events(answer, now) for now, answer in enumerate(answers)] == [[], [], [], [], [], [{"kind": "down", "hosts": ["b"]}]]


def test_a_scan_is_requested_periodically():
    watch = Watch(times=1, again_seconds=60, scan_seconds=100)
    assert [len(watch.events({}, now)) for now in (0, 99, 100, 150, 200)] == [1, 0, 1, 0, 1]


def test_ssh_endpoints_are_read_from_the_inventory():
    hostvars = {"w": {"ansible_host": "10.0.0.1", "ansible_port": "2222"}}
    inventory = {
        "_meta": {"hostvars": hostvars}, "worker": {"hosts": ["w", "i"]}, "etcd": {"hosts": ["e"]}, "ignored": {"hosts": ["i"]},
        "director": {"hosts": ["d"]},
    }  # fmt: skip
    assert ssh_endpoints(inventory) == {"e": ("e", 22), "w": ("10.0.0.1", 2222)}


async def _probe(serve, timeout=5.0):
    """Return whether a server sends a banner, and verify that the probe closes its connection."""
    closed = asyncio.Event()

    async def handle(reader, writer):
        try:
            await serve(writer)
            # Ends as soon as the probe has closed the connection, even if it no longer reads.
            while await reader.read(1000):
                pass
        except OSError:
            pass
        finally:
            closed.set()
            writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        banner = await sends_banner("127.0.0.1", server.sockets[0].getsockname()[1], timeout)
        await asyncio.wait_for(closed.wait(), 5)
    return banner


def probe(serve, timeout=5.0):
    return asyncio.run(_probe(serve, timeout))


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param([b"SSH-2.0-OpenSSH_9.2\r\n"], True, id="a banner"),
        pytest.param([b"SSH-2.0-x\n"], True, id="no carriage return"),
        pytest.param([b"SS", b"H-2.0-Open", b"SSH_9.2\r", b"\n"], True, id="in parts"),
        pytest.param([b"Welcome\r\nto our SSH-\r\n", b"SSH-2.0-x\r\n"], True, id="lines before it"),
        pytest.param([b"SSH-2.0-x\r\n\0\0\x01\xff" + bytes(2000)], True, id="more after it"),
        pytest.param([b"SSH-" + b"x" * 249 + b"\r\n"], True, id="255 bytes"),
        pytest.param([b"SSH-" + b"x" * 250 + b"\r\n" + b"x" * 4096], False, id="256 bytes"),
        pytest.param([b"HTTP/1.1 SSH-2.0\r\n" + b"x" * 4096], False, id="something else"),
        pytest.param([b"x" * 70_000], False, id="64 KiB without the end of a line"),
        pytest.param([b"\n" * 70_000 + b"SSH-2.0-x\r\n"], False, id="too many lines before it"),
        pytest.param([bytes(range(256)) * 20], False, id="any bytes"),
    ],
)
def test_a_banner_is_one_line_after_at_most_a_few_others(sent, expected):
    async def serve(writer):
        for piece in sent:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)

    assert probe(serve) is expected


@pytest.mark.parametrize("before", [b"", b"Welcome\r\n", b"SSH-2.0-x"])
def test_a_host_that_accepts_connections_but_hangs(before):
    async def serve(writer):
        writer.write(before)

    assert probe(serve, 0.3) is False


@pytest.mark.parametrize("before", [b"", b"Welcome\r\n", b"SSH-2.0-x"])
def test_a_host_that_closes_the_connection(before):
    async def serve(writer):
        writer.write(before)
        writer.close()

    assert probe(serve) is False


@pytest.mark.parametrize("before", [b"", b"Welcome\r\n"])
def test_a_host_that_resets_the_connection(before):
    async def serve(writer):
        writer.write(before)
        await writer.drain()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    assert probe(serve) is False


def test_an_endless_stream_is_not_read_to_the_end():
    sent = 0

    async def serve(writer):
        nonlocal sent
        while True:
            writer.write(b"x" * 1000)
            sent += 1000
            await writer.drain()

    assert probe(serve) is False
    assert sent < 50_000_000


def test_a_slow_endless_stream_ends_with_the_timeout():
    async def serve(writer):
        while True:
            writer.write(b"x\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    assert probe(serve, 0.3) is False


def test_a_host_that_is_down_sends_no_banner():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert asyncio.run(sends_banner("127.0.0.1", unused.getsockname()[1], 0.3)) is False


@pytest.mark.parametrize(("address", "port"), [("127.0.0.1", 65536), ("127.0.0.1", -1), (".." + "x" * 70, 22), ("no\0name", 22)])
def test_an_invalid_address_sends_no_banner(address, port):
    assert asyncio.run(sends_banner(address, port, 2)) is False


def test_an_invalid_banner_does_not_end_the_source(monkeypatch):
    """The source continues and reports the host with the invalid banner as down."""

    liars: list = []

    async def run():
        async def lie(_reader, writer):
            # At first, it is honest.
            writer.write(b"x" * 70_000 if liars else b"SSH-2.0-x\r\n")
            liars.append(writer)
            writer.close()  # a server of Python 3.12 waits for its connections when it ends

        async def greet(_reader, writer):
            writer.write(b"SSH-2.0-x\r\n")
            writer.close()

        async with await asyncio.start_server(lie, "127.0.0.1", 0) as liar, await asyncio.start_server(greet, "127.0.0.1", 0) as honest:
            ports = {name: server.sockets[0].getsockname()[1] for name, server in (("liar", liar), ("honest", honest))}
            hostvars = {name: {"ansible_host": "127.0.0.1", "ansible_port": port} for name, port in ports.items()}

            async def inventory(_path):
                return {"_meta": {"hostvars": hostvars}, "worker": {"hosts": list(hostvars)}}

            monkeypatch.setattr(cluster_hosts, "read_inventory", inventory)
            queue: asyncio.Queue = asyncio.Queue()
            source = asyncio.create_task(cluster_hosts.main(queue, {"inventory": "x", "interval": 0.01, "again_seconds": 0, "scan_seconds": 0}))
            try:
                return [await asyncio.wait_for(queue.get(), 10) for _event in range(3)]
            finally:
                assert not source.done()
                source.cancel()

    assert asyncio.run(run()) == [{"kind": "down", "hosts": ["liar"]}] * 3

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Listeners and their owners, from a simulated /proc and from the kernel."""

from __future__ import annotations

import os
import socket

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host.listeners import listeners, matches

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def line(address, state, inode):
    """Return a line of /proc/net/tcp."""
    return f"   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0 100 0 0 10 0\n"


@pytest.fixture
def proc(tmp_path):
    """Return a /proc with etcd, nginx and a kernel socket."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text(HEADER + line("0100007F:094B", "0A", 11) + line("0100007F:094C", "01", 12) + line("00000000:0050", "0A", 13))
    (tmp_path / "net/tcp6").write_text(HEADER + line("00000000000000000000000000000000:094C", "0A", 14))
    (tmp_path / "net/udp").write_text(HEADER + line("00000000:2118", "07", 0))
    processes = {
        100: ("nginx", [13], "0::/system.slice/nginx.service\n"),
        200: ("etcd", [11, 14], "3:cpuset:/\n1:name=systemd:/system.slice/etcd.service\n0::/\n"),
    }
    for pid, (name, inodes, groups) in processes.items():
        (tmp_path / str(pid) / "fd").mkdir(parents=True)
        (tmp_path / str(pid) / "comm").write_text(name + "\n")
        (tmp_path / str(pid) / "cgroup").write_text(groups)
        for number, inode in enumerate(inodes):
            (tmp_path / str(pid) / "fd" / str(number)).symlink_to(f"socket:[{inode}]")
    return tmp_path


def test_listeners_have_their_owners(proc):
    assert listeners(["2379-2380/tcp", "8472/udp"], proc) == [
        {"protocol": "tcp", "address": "127.0.0.1", "port": 2379, "pid": 200, "process": "etcd", "unit": "etcd.service"},
        {"protocol": "tcp", "address": "::", "port": 2380, "pid": 200, "process": "etcd", "unit": "etcd.service"},
        {"protocol": "udp", "address": "0.0.0.0", "port": 8472, "pid": 0, "process": "", "unit": ""},
    ]


def test_search_ends_with_the_last_owner(proc, monkeypatch):
    looked_at = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: looked_at.append(str(path)) or scandir(path))
    listeners(["80/tcp"], proc)
    # Path.iterdir uses it as well, since Python 3.13.
    assert [path for path in looked_at if path != str(proc)] == [str(proc / "100" / "fd")]


def test_without_a_listener_no_process_is_inspected(proc, monkeypatch):
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: scandir(path) if path == str(proc) else pytest.fail(str(path)))
    assert listeners(["2381/tcp"], proc) == []


def test_a_listener_of_this_process_is_found():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (found,) = listeners([f"{port}/tcp"])
    assert (found["address"], found["port"], found["pid"]) == ("127.0.0.1", port, os.getpid())


@pytest.mark.parametrize(
    ("ports", "expected"), [(["80/tcp"], True), (["80/udp"], False), (["79-81/tcp"], True), (["81-90/tcp"], False), ([], False)]
)
def test_ports_match_ranges(ports, expected):
    assert matches(ports, 80, "tcp") is expected

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What units put into the kernel, and the guard that has it restored. Scenario security does the same with a kernel."""

from __future__ import annotations

import ast
import json
import pathlib
import struct
import time

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import kernel

ROUTES = "Iface\tDestination\tGateway\tFlags\nflannel.1\t0001C80A\t0001C80A\t0003\nflannel.1\t0000C80A\t00000000\t0001\neth0\t00000000\t0114000A\t0003\n"
NEIGHBOUR = "10.200.1.0       0x1         0x6         0e:1f:00:00:00:01     *        flannel.1\n"
LEARNED = "10.200.9.0       0x1         0x2         0e:1f:00:00:00:09     *        flannel.1\n"


@pytest.fixture
def root(tmp_path):
    for path, text in {"proc/net/route": ROUTES, "proc/net/arp": f"IP address\n{NEIGHBOUR}{LEARNED}", "proc/sys/net/ipv4/ip_forward": "1\n"}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "sys/class/net/flannel.1").mkdir(parents=True)
    return tmp_path


def test_a_vxlan_has_a_route_and_a_neighbour_for_each_host(root):
    assert kernel.problems({"interfaces": ["flannel.1"], "vxlan": "flannel.1"}, root) == []
    (root / "proc/net/route").write_text("Iface\n")
    (problem,) = kernel.problems({"vxlan": "flannel.1"}, root)
    assert problem.startswith("interface flannel.1 has 0 routes and 1 neighbours")


def test_a_missing_interface_is_named(root):
    assert kernel.problems({"interfaces": ["flannel.1", "cfcr-dns"]}, root) == ["interface cfcr-dns is missing"]


def test_sysctls_with_another_value_are_named(root):
    assert kernel.wrong_sysctls({"net.ipv4.ip_forward": "1"}, root) == {}
    assert kernel.wrong_sysctls({"net.ipv4.ip_forward": "0", "net.bridge.bridge-nf-call-iptables": "1"}, root) == {"net.ipv4.ip_forward": "1"}


class Netlink:
    """A socket with the kernel's answers."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)

    def __call__(self, *_arguments):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_error) -> None:
        pass

    def settimeout(self, seconds) -> None:
        pass

    def send(self, message) -> None:
        pass

    def recv(self, size) -> bytes:
        return self.answers.pop(0)


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


def chain(table: str, name: str, *, family: int = 2, hook: int | None = None, policy: int = 1, use: int = 1) -> bytes:
    body = struct.pack("!BBH", family, 0, 0) + attribute(1, table.encode() + b"\0") + attribute(3, name.encode() + b"\0") + attribute(6, struct.pack("!I", use))
    if hook is not None:
        body += attribute(0x8000 | 4, attribute(1, struct.pack("!I", hook))) + attribute(5, struct.pack("!I", policy))
    return message(10 << 8 | 3, body)


def error(code: int) -> bytes:
    return message(2, struct.pack("=i", -code))


@pytest.mark.parametrize(("answer", "missing"), [(chain("a", "b"), False), (chain("a", "b", use=0), True), (error(2), True), (error(1), False)])
def test_a_chain_has_rules(monkeypatch, answer, missing):
    monkeypatch.setattr(kernel.socket, "socket", Netlink(answer))
    assert bool(kernel.problems({"chains": ["ip a b"]})) == missing


def test_chains_that_drop_forwarded_packets(monkeypatch):
    forward, drop = 2, 0
    answers = [chain("filter", "FORWARD", hook=forward, policy=drop) + chain("filter", "DOCKER") + chain("cfcr", "forward", family=1, hook=forward)]
    answers.append(chain("filter", "INPUT", hook=1, policy=drop) + chain("filter", "FORWARD", family=10, hook=forward, policy=drop) + message(3, b"\0\0\0\0"))
    monkeypatch.setattr(kernel.socket, "socket", Netlink(*answers))
    assert kernel.dropping_chains() == ["ip filter FORWARD"]


@pytest.fixture
def guard(tmp_path, monkeypatch):
    """A guard of unit a, whose state in the kernel the test sets."""
    (tmp_path / "a.json").write_text(json.dumps({"units": [{"name": "a", "kernel": {"chains": ["ip a b"]}}]}))
    made = kernel.Guard(tmp_path)
    made.problems, made.state, made.commands = ["gone"], {"ActiveState": "active", "ActiveEnterTimestampMonotonic": "1"}, []
    monkeypatch.setattr(kernel, "problems", lambda _kernel: made.problems)
    monkeypatch.setattr(kernel, "_show", lambda _name, *_properties: made.state)
    monkeypatch.setattr(kernel.subprocess, "run", lambda command, check: made.commands.append(command[1]))
    monkeypatch.setattr(kernel.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(kernel, "GRACE_SECONDS", 1)
    return made


def test_the_guard_restarts_a_unit_once_and_then_waits(guard):
    guard.look()
    guard.look()
    assert guard.commands == ["restart"]


def test_the_guard_reloads_a_unit_that_can(guard):
    (guard.descriptors / "a.json").write_text(json.dumps({"units": [{"name": "a", "kernel": {}, "reload": {}}]}))
    guard.look()
    assert guard.commands == ["reload"]


STARTED_NOW = {"ActiveEnterTimestampMonotonic": str(int((time.monotonic() + 60) * 1e6))}


@pytest.mark.parametrize("state", [{"ActiveState": "inactive"}, STARTED_NOW, {"ActiveState": "activating"}])
def test_the_guard_leaves_a_stopped_or_starting_unit_alone(guard, state):
    guard.state.update(state)
    guard.look()
    assert guard.commands == []


def test_the_guard_leaves_a_healthy_unit_alone(guard):
    guard.problems = []
    guard.look()
    assert guard.commands == []


def test_the_guard_notices_an_interface_that_was_made_again(guard, monkeypatch):
    (guard.descriptors / "a.json").write_text(json.dumps({"units": [{"name": "a", "kernel": {"interfaces": ["flannel.1"]}}]}))
    guard.problems, index = [], ["7"]
    monkeypatch.setattr(kernel, "_index", lambda _interface: index[0])
    guard.look()
    index[0] = "8"
    guard.look()
    guard.look()
    assert guard.commands == ["restart"]


def test_pauses_between_restarts_double(guard):
    guard.restarts["a"] = [0.0]
    assert (guard.may_restart("a", 29), guard.may_restart("a", 30)) == (False, True)
    guard.restarts["a"] = [0.0, 30.0, 90.0]
    assert (guard.may_restart("a", 209), guard.may_restart("a", 210), guard.may_restart("a", 3700)) == (False, True, True)


def test_the_program_imports_nothing_of_the_collection():
    """Role guard installs the file alone."""
    tree = ast.parse(pathlib.Path(kernel.__file__).read_text(encoding="utf-8"))
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and (node.level or "ansible" in (node.module or ""))] == []

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program of cfcr-guard, which role firewall installs."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import pathlib
import subprocess
import sys

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import kernel

PROGRAM = pathlib.Path(__file__).parents[2] / "roles/firewall/files/guard"
WANTED = {"vxlan": "flannel.1"}


class Host:
    """A host whose state the test sets."""

    def __init__(self) -> None:
        self.lost = ["gone"]
        self.state = ("active", 0.0)
        self.index = "7"
        self.now = 1000.0
        self.commands: list[str] = []

    def run(self, command, **_options):
        self.commands.append(" ".join(command[1:]))
        return subprocess.CompletedProcess(command, 0)


@pytest.fixture
def module(monkeypatch):
    monkeypatch.setitem(sys.modules, "kernel", kernel)
    loader = importlib.machinery.SourceFileLoader("guard", str(PROGRAM))
    made = importlib.util.module_from_spec(importlib.util.spec_from_loader("guard", loader))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(made)
    return made


@pytest.fixture
def host(module, monkeypatch, tmp_path):
    """Unit a of a job is guarded."""
    (tmp_path / "a.json").write_text(json.dumps({"units": [{"name": "a", "kernel": WANTED}]}))
    made = Host()
    monkeypatch.setattr(module, "DESCRIPTORS", tmp_path)
    monkeypatch.setattr(module, "unit_state", lambda _name: made.state)
    monkeypatch.setattr(module, "index", lambda _interface: made.index)
    monkeypatch.setattr(module.subprocess, "run", made.run)
    monkeypatch.setattr(module.kernel, "lost", lambda _kernel: made.lost)
    monkeypatch.setattr(module.time, "monotonic", lambda: made.now)
    return made


@pytest.fixture
def guard(module):
    return module.Guard()


def test_it_restarts_a_unit_at_the_second_look_and_then_waits(guard, host):
    guard.look()
    assert host.commands == []
    guard.look()
    guard.look()
    assert host.commands == ["restart --no-block a.service"]


def test_it_reloads_a_unit_that_can(guard, host, module):
    (module.DESCRIPTORS / "a.json").write_text(json.dumps({"units": [{"name": "a", "kernel": {}, "reload": {}}]}))
    guard.look()
    guard.look()
    assert host.commands == ["reload --no-block a.service"]


@pytest.mark.parametrize("state", [("inactive", 0.0), ("activating", 0.0), ("active", 990.0)])
def test_it_leaves_a_stopped_or_starting_unit_alone(guard, host, state):
    host.state = state
    guard.look()
    guard.look()
    assert host.commands == []


def test_it_leaves_a_unit_alone_that_has_lost_nothing(guard, host):
    host.lost = []
    guard.look()
    guard.look()
    assert host.commands == []


def test_it_notices_an_interface_that_was_made_again(guard, host):
    host.lost = []
    guard.look()
    host.index = "8"
    guard.look()
    guard.look()
    guard.look()
    assert host.commands == ["restart --no-block a.service"]


def test_pauses_between_restarts_double(guard):
    at = [0, 59, 60, 179, 180, 419, 420]
    assert [guard.may_restart("a", moment) for moment in at] == [True, False, True, False, True, False, True]
    guard.restarts["a"] = (20, 0)
    assert [guard.may_restart("a", moment) for moment in (3599, 3600)] == [False, True]


def test_a_restart_that_helped_causes_no_pause(guard, host):
    for lost in (["gone"], ["gone"], [], ["gone"], ["gone"]):
        host.lost = lost
        guard.look()
    assert len(host.commands) == 2


def test_it_keeps_kernel_parameters(module, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(module, "PARAMETERS", tmp_path)
    (tmp_path / "vm").mkdir()
    (tmp_path / "vm/overcommit_memory").write_text("0\n")
    for name in ("vm.overcommit_memory", "net.missing"):
        module.keep_parameter(name, "1")
        module.keep_parameter(name, "1")
    assert (tmp_path / "vm/overcommit_memory").read_text() == "1"
    assert capsys.readouterr().out == "sysctl vm.overcommit_memory: found 0, set to 1\n"


def test_it_tells_once_of_a_parameter_that_cannot_be_set(module, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(module, "PARAMETERS", tmp_path)
    (tmp_path / "vm").mkdir()
    for _look in range(2):
        module.keep_parameter("vm", "1")
    assert capsys.readouterr().err.count("sysctl vm: cannot be set to 1") == 1

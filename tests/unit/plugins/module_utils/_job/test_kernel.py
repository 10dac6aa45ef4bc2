# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import pathlib
import subprocess

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import kernel

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask
eth0\t00000000\t011E0A0A\t0003\t0\t0\t0\t00000000
flannel.1\t001EC80A\t001EC80A\t0007\t0\t0\t0\t00FFFFFF
cni0\t0056C80A\t00000000\t0001\t0\t0\t0\t00FFFFFF
"""
NEIGHBOURS = """IP address       HW type     Flags       HW address            Mask     Device
10.200.30.0      0x1         0x6         9e:b8:5d:63:3d:ce     *        flannel.1
10.200.77.0      0x1         0x2         9e:b8:5d:63:3d:cf     *        flannel.1
10.10.30.1       0x1         0x2         06:7b:c3:f5:bc:73     *        eth0
"""

# Of two other hosts, and one that the kernel has learned.
FORWARDED = """9e:b8:5d:63:3d:ce dst 10.0.0.2 self permanent
9e:b8:5d:63:3d:cf dst 10.0.0.3 self permanent
9e:b8:5d:63:3d:d0 dst 10.0.0.4 self
"""


@pytest.fixture
def root(tmp_path):
    """A host with an overlay network, and one other host in it."""
    (tmp_path / "sys/class/net/flannel.1").mkdir(parents=True)
    (tmp_path / "sys/class/net/flannel.1/flags").write_text("0x1003\n")
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/route").write_text(ROUTES)
    (tmp_path / "proc/net/arp").write_text(NEIGHBOURS)
    return tmp_path


def tables(monkeypatch, *, output: str = "", error: Exception | None = None) -> None:
    def run(command, **_options):
        if error:
            raise error
        return subprocess.CompletedProcess(command, 0, output, "")

    monkeypatch.setattr(kernel.subprocess, "run", run)
    kernel.forget()


def test_nothing_is_lost(monkeypatch, root):
    tables(monkeypatch, output="table ip flannel-ipv4\ntable ip6 other\n")
    assert kernel.lost({"tables": ["ip flannel-ipv4"], "interfaces": [], "vxlan": "flannel.1"}, root) == []


def test_a_table_is_lost(monkeypatch, root):
    tables(monkeypatch, output="table ip6 kube-proxy\n")
    assert kernel.lost({"tables": ["ip kube-proxy"]}, root) == ["table ip kube-proxy of nftables is missing"]


def test_tables_are_read_once_for_all_units(monkeypatch, root):
    tables(monkeypatch, output="table ip kube-proxy\n")
    assert kernel.lost({"tables": ["ip kube-proxy"]}, root) == []
    monkeypatch.setattr(kernel.subprocess, "run", None)
    assert kernel.lost({"tables": ["ip flannel-ipv4"]}, root) == ["table ip flannel-ipv4 of nftables is missing"]


@pytest.mark.parametrize("error", [FileNotFoundError(), subprocess.CalledProcessError(1, "nft")])
def test_tables_that_cannot_be_read_are_not_lost(monkeypatch, root, error):
    tables(monkeypatch, error=error)
    assert kernel.lost({"tables": ["ip kube-proxy"]}, root) == []


@pytest.mark.parametrize("wanted", [{"interfaces": ["cfcr-dns"]}, {"vxlan": "cfcr-dns"}])
def test_an_interface_is_lost(root, wanted):
    assert kernel.lost(wanted, root) == ["interface cfcr-dns is missing"]


@pytest.mark.parametrize("wanted", [{"interfaces": ["flannel.1"]}, {"vxlan": "flannel.1"}])
def test_an_interface_is_down(root, wanted):
    (root / "sys/class/net/flannel.1/flags").write_text("0x1002\n")
    assert kernel.lost(wanted, root) == ["interface flannel.1 is down"]


@pytest.mark.parametrize(
    ("entries", "found"),
    [(FORWARDED, ["interface flannel.1 has 0 routes and 2 forwarding entries of other hosts, expected the same"]), ("", [])],
    ids=["was down", "no other host"],
)
def test_an_interface_that_was_down_has_lost_its_routes(monkeypatch, root, entries, found):
    for path in ("route", "arp"):
        (root / "proc/net" / path).write_text("Iface\n")
    monkeypatch.setattr(kernel.subprocess, "run", lambda command, **_options: subprocess.CompletedProcess(command, 0, entries, ""))
    assert kernel.lost({"vxlan": "flannel.1"}, root) == found


@pytest.mark.parametrize(("path", "found"), [("route", "0 routes and 1 neighbours"), ("arp", "1 routes and 0 neighbours")])
def test_routes_or_neighbours_are_lost(root, path, found):
    file = root / "proc/net" / path
    file.write_text("".join(line for line in file.read_text().splitlines(keepends=True) if "flannel.1" not in line))
    assert kernel.lost({"vxlan": "flannel.1"}, root) == [f"interface flannel.1 has {found} of other hosts, expected the same"]


def test_a_unit_is_settled_after_a_while(monkeypatch):
    monkeypatch.setattr(kernel.time, "monotonic", lambda: 100.0)
    assert [kernel.is_settled(started) for started in (99.0, 50.0)] == [False, True]


def test_the_file_imports_nothing_of_the_collection():
    """Role firewall installs it alone."""
    tree = ast.parse(pathlib.Path(kernel.__file__).read_text(encoding="utf-8"))
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert [node.module for node in imported if node.level or "ansible" in (node.module or "")] == []

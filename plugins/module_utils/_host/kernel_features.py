# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel features, detected without loading a module or creating an interface."""

from __future__ import annotations

import socket
import struct
import typing as t
from pathlib import Path

from .._command import run
from .._errors import HostError
from .capability import CAP_SYS_MODULE, has_capability

__all__ = ("kernel_features",)

_MODULES = {"overlay": "overlay", "br_netfilter": "br_netfilter", "vxlan": "vxlan", "nftables": "nf_tables"}


def kernel_features(root: Path = Path("/")) -> dict[str, str]:
    """Return present, loadable or missing for every feature that the collection needs.

    A container sees the modules of its machine in /sys/module, but has no modprobe or may not use it. A feature that is built into the
    kernel and has no parameters is not in /sys/module. So the files of each feature are checked first, then modprobe's dry run, and
    nftables is queried last.
    """
    filesystems = (root / "proc/filesystems").read_text(encoding="ascii").split()
    present: dict[str, t.Callable[[], bool]] = {
        "overlay": lambda: "overlay" in filesystems,
        "br_netfilter": (root / "proc/sys/net/bridge/bridge-nf-call-iptables").exists,
        "vxlan": lambda: False,
        "nftables": lambda: False,
    }
    return {
        feature: "present" if (root / "sys/module" / module).exists() or present[feature]() else _otherwise(module)
        for feature, module in _MODULES.items()
    }


def _otherwise(module: str) -> str:
    """Return the result of modprobe's dry run. Without modprobe or the module, only nftables can still be detected."""
    try:
        last = run("modprobe", "--show-depends", module).strip().rpartition("\n")[2]
    except HostError:
        last = ""
    if last.startswith("builtin "):
        return "present"
    if last.startswith("insmod ") and _may_load_modules():
        return "loadable"  # an "install" line is an administrator's own command, most often one that forbids the module
    return "present" if module == "nf_tables" and _nftables_answers() else "missing"


def _may_load_modules(root: Path = Path("/")) -> bool:
    disabled = root / "proc/sys/kernel/modules_disabled"
    return has_capability(CAP_SYS_MODULE, root=root) and not (disabled.exists() and disabled.read_text(encoding="ascii").strip() == "1")


def _nftables_answers() -> bool:
    """Query the generation of the nftables rules (NFT_MSG_GETGEN), which changes nothing."""
    subsystem, get_generation, request, error = 10, 16, 1, 2
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netlink:  # NETLINK_NETFILTER
            netlink.settimeout(1)
            netlink.send(struct.pack("=IHHIIBBH", 20, subsystem << 8 | get_generation, request, 1, 0, 0, 0, 0))
            return struct.unpack_from("=H", netlink.recv(4096), 4)[0] != error
    except OSError:
        return False

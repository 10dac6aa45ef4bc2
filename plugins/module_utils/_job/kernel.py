# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of the kernel that a unit sets up, and which parts of it somebody else has removed.

Role firewall installs this file on hosts for cfcr-guard, which checks every few seconds, so it imports nothing of the collection.
"""

from __future__ import annotations

import functools
import re
import socket
import struct
import subprocess
import time
import typing as t
from pathlib import Path

__all__ = ("KERNEL", "forget", "is_settled", "lost")

# The option of a unit that describes its state in the kernel.
KERNEL = {
    "type": "dict",
    "options": {
        "tables": {"type": "list", "elements": "str", "default": []},
        "interfaces": {"type": "list", "elements": "str", "default": []},
        "vxlan": {"type": "str"},
    },
}

# kube-proxy waits half a minute for its Node before it writes rules.
SETTLED_SECONDS = 40

_NFT = "/usr/sbin/nft"
_BRIDGE = "/sbin/bridge"
_UP = 1  # a flag of an interface
_PERMANENT = 4  # a flag of a neighbour


def is_settled(started: float) -> bool:
    """Tell whether a unit that started at this time of the monotonic clock has had the time to set up its state."""
    return time.monotonic() - started >= SETTLED_SECONDS


def lost(kernel: dict[str, t.Any], root: Path = Path("/")) -> list[str]:
    """Return the parts of a unit's state that the kernel does not have."""
    tables, vxlan = kernel.get("tables"), kernel.get("vxlan")
    existing = _tables() if tables else None
    found = [f"table {table} of nftables is missing" for table in tables or () if existing is not None and table not in existing]
    flags = {name: _flags(name, root) for name in (*kernel.get("interfaces", ()), *([vxlan] if vxlan else []))}
    found += [f"interface {name} is {'missing' if its is None else 'down'}" for name, its in flags.items() if its is None or not its & _UP]
    if vxlan and flags[vxlan] is not None:
        # flannel adds all three for each other host. One that was down for a moment keeps only those of its forwarding table.
        routes, neighbours = _gateways(vxlan, root), _neighbours(vxlan, root)
        if routes != neighbours:
            found.append(f"interface {vxlan} has {len(routes)} routes and {len(neighbours)} neighbours of other hosts, expected the same")
        elif not routes and (forwarded := _forwarded(vxlan)):
            found.append(f"interface {vxlan} has 0 routes and {forwarded} forwarding entries of other hosts, expected the same")
    return found


def forget() -> None:
    """Let the next question read the tables again. A module reads them once for all units, and cfcr-guard once at each look."""
    _tables.cache_clear()


@functools.lru_cache(maxsize=1)
def _tables() -> set[str] | None:
    """Return the tables of nftables ("ip kube-proxy"), or None if they cannot be read."""
    listed = _output(_NFT, "list", "tables")
    return None if listed is None else {" ".join(line.split()[1:3]) for line in listed.splitlines()}


def _flags(interface: str, root: Path) -> int | None:
    """Return the flags of an interface, or None if there is no such interface."""
    try:
        return int((root / "sys/class/net" / interface / "flags").read_text(encoding="ascii"), 16)
    except OSError:
        return None


def _forwarded(vxlan: str) -> int:
    """Return the number of other hosts in a forwarding table, or 0 if it cannot be read."""
    return len(re.findall(r" dst .* permanent", _output(_BRIDGE, "fdb", "show", "dev", vxlan) or ""))


def _output(*command: str) -> str | None:
    """Return what a program prints, or None if it fails."""
    try:
        # cfcr-guard has no AnsibleModule, and so no run_command.
        # pylint: disable-next=ansible-bad-function
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def _gateways(interface: str, root: Path) -> set[str]:
    lines = (line.split() for line in _lines(root / "proc/net/route"))
    return {socket.inet_ntoa(struct.pack("=I", int(fields[2], 16))) for fields in lines if fields[0] == interface and int(fields[2], 16)}


def _neighbours(interface: str, root: Path) -> set[str]:
    lines = (line.split() for line in _lines(root / "proc/net/arp"))
    return {fields[0] for fields in lines if fields[5] == interface and int(fields[2], 16) & _PERMANENT}


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="ascii").splitlines()[1:]

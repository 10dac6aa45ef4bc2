# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes that listen on ports, read from /proc."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import struct
import typing as t
from pathlib import Path

__all__ = ("listeners", "matches")

# State of a socket in /proc/net: a TCP socket that listens, a UDP socket that is not connected.
_LISTENING = {"tcp": "0A", "udp": "07"}


def listeners(ports: t.Sequence[str], proc: Path = Path("/proc")) -> list[dict[str, t.Any]]:
    """Return the processes that listen on the ports ("2379/tcp", "30000-32767/udp")."""
    found = [(inode, socket) for inode, socket in _sockets(proc) if matches(ports, socket["port"], socket["protocol"])]
    owners = _owners({inode for inode, _socket in found}, proc)
    nobody = {"pid": 0, "process": "", "unit": ""}
    return [{**socket, **owners.get(inode, nobody)} for inode, socket in found]


def matches(ports: t.Iterable[str], number: int, protocol: str) -> bool:
    """Return whether the port is in the list."""
    for port in ports:
        span, _slash, its_protocol = port.partition("/")
        first, _dash, last = span.partition("-")
        if its_protocol == protocol and int(first) <= number <= int(last or first):
            return True
    return False


def _sockets(proc: Path) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    """Yield every listening socket by its inode, which identifies its process."""
    for protocol, state in _LISTENING.items():
        for family in ("", "6"):
            path = proc / "net" / (protocol + family)
            if not path.exists():
                continue
            for line in path.read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == state:
                    address, _colon, port = fields[1].partition(":")
                    yield fields[9], {"protocol": protocol, "address": _address(address), "port": int(port, 16)}


def _address(text: str) -> str:
    """Return the address, which the kernel prints as 32-bit words in the host's byte order."""
    words = (int(text[index:index + 8], 16) for index in range(0, len(text), 8))
    return str(ipaddress.ip_address(b"".join(struct.pack("=I", word) for word in words)))


def _owners(inodes: set[str], proc: Path) -> dict[str, dict[str, t.Any]]:
    """Return the owners by inode. Stop when all are found, since a host may have thousands of processes."""
    owners: dict[str, dict[str, t.Any]] = {}
    for process in sorted((path for path in proc.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name)):
        if len(owners) == len(inodes):
            break
        for inode in _open_sockets(process / "fd") & inodes - owners.keys():
            owners[inode] = {"pid": int(process.name), "process": _name(process), "unit": _unit(process)}
    return owners


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8").strip()
    except OSError:  # it has exited
        return ""


def _open_sockets(directory: Path) -> set[str]:
    links = []
    with contextlib.suppress(OSError):  # it has exited, or belongs to another user
        for entry in os.scandir(directory):
            with contextlib.suppress(OSError):  # this one was closed meanwhile
                links.append(os.readlink(entry.path))
    return {link[len("socket:["):-1] for link in links if link.startswith("socket:[")}


def _unit(process: Path) -> str:
    """Return the systemd unit that the process belongs to, from its control group."""
    try:
        groups = (process / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    for group in groups:
        _number, controllers, path = group.split(":", 2)
        if controllers in ("", "name=systemd"):
            for part in reversed(path.split("/")):
                if part.endswith((".service", ".scope", ".socket")):
                    return part
    return ""

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts of a host, read from files below a root, so that a test can have its own."""

from __future__ import annotations

import ipaddress
import os
import platform
import pwd
import re
import struct
import typing as t
from pathlib import Path

from .._pki.bundle import fingerprints
from .architecture import machine_architecture

__all__ = ("BUNDLES", "disks", "facts")

# CA bundles that components of the collection trust.
BUNDLES = "etc/*/pki/*ca.crt"

_MIB = 1024 * 1024
_RESOLVED = ("127.0.0.53", "127.0.0.54")  # where systemd-resolved listens
_STUB = re.compile(r"^ *\d+: 3500007F:0035 ", re.MULTILINE)  # its line in the kernel's table of UDP sockets, 127.0.0.53:53


def facts(root: Path = Path("/")) -> dict[str, t.Any]:
    """Return the facts that are read from files."""
    return {
        **_user(),
        **_system(root),
        "processors": os.cpu_count() or 1,
        **_memory(root),
        **_control_groups(root),
        **_connection_tracking(root),
        **_resolver(root),
        **_networks(root),
        **_ephemeral_ports(root),
        **_cluster_networks(root),
        **_authorities(root),
    }


def _user() -> dict[str, t.Any]:
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = str(os.geteuid())
    return {"user": name, "euid": os.geteuid()}


def _system(root: Path) -> dict[str, t.Any]:
    release = _assignments(root / "etc/os-release")
    return {
        "python_version": platform.python_version(),
        "architecture": machine_architecture(),
        "kernel": platform.release(),
        "operating_system": release.get("ID", ""),
        "operating_system_version": release.get("VERSION_ID", ""),
        "init": _text(root / "proc/1/comm"),
        "systemd_version": _systemd_version(root),
        "container": (root / "run/systemd/container").exists() or (root / "run/.containerenv").exists() or (root / ".dockerenv").exists(),
    }


def _systemd_version(root: Path) -> int:
    """Return the version from the name of systemd's library, which needs no process."""
    for pattern in ("usr/lib*/systemd", "usr/lib/*/systemd"):
        for path in root.glob(f"{pattern}/libsystemd-shared-*.so"):
            return int(re.findall(r"\d+", path.name)[0])
    return 0


def _memory(root: Path) -> dict[str, t.Any]:
    amounts = {name: int(kib) // 1024 for name, kib in re.findall(r"^(\w+): +(\d+) kB$", _text(root / "proc/meminfo"), re.MULTILINE)}
    limits = [_text(root / "sys/fs/cgroup" / path) for path in ("memory.max", "memory/memory.limit_in_bytes")]
    return {"memory_mib": min([amounts["MemTotal"], *(int(limit) // _MIB for limit in limits if limit.isdecimal())])}


def disks(paths: t.Iterable[str]) -> dict[str, dict[str, t.Any]]:
    """Return the size and the free space below each path, in MiB, and the restrictions of its mount.

    For a path that does not exist yet, its nearest parent is measured.
    """
    result = {}
    for path in paths:
        there = next(parent for parent in (Path(path), *Path(path).parents) if parent.exists())
        state = os.statvfs(there)
        result[path] = {
            "total_mib": state.f_blocks * state.f_frsize // _MIB,
            "free_mib": state.f_bavail * state.f_frsize // _MIB,
            "restrictions": [name for name, flag in (("ro", os.ST_RDONLY), ("noexec", os.ST_NOEXEC)) if state.f_flag & flag],
        }
    return result


def _control_groups(root: Path) -> dict[str, t.Any]:
    version = 2 if (root / "sys/fs/cgroup/cgroup.controllers").exists() else 1
    return {"cgroup_version": version, "cgroup_driver": "systemd" if version == 2 and _text(root / "proc/1/comm") == "systemd" else "cgroupfs"}


def _connection_tracking(root: Path) -> dict[str, t.Any]:
    """Return whether the size of the table of connections may be set."""
    conntrack = root / "proc/sys/net/netfilter/nf_conntrack_max"
    container = (root / "run/systemd/container").exists()
    # access(2) asks the kernel, which refuses even root in a network namespace. If conntrack is not loaded yet, only a container is refused.
    return {"conntrack_writable": os.access(conntrack, os.W_OK) if conntrack.exists() else not container}


def _resolver(root: Path) -> dict[str, t.Any]:
    """Return the name servers of the host. systemd-resolved is replaced by its own upstream servers."""
    lines = _resolv_conf(root / "etc/resolv.conf")
    behind = [server for server in _nameservers(_resolv_conf(root / "run/systemd/resolve/resolv.conf")) if server not in _RESOLVED]
    named = _nameservers(lines)
    servers = (behind if server in _RESOLVED else [server] for server in named)
    return {
        "nameservers": list(dict.fromkeys(server for those in servers for server in those)),
        # The file may remain after systemd-resolved is stopped.
        "resolved": named[:1] == [_RESOLVED[0]] and _STUB.search(_text(root / "proc/net/udp")) is not None,
        "search": next((fields[1:] for fields in reversed(lines) if fields[0] in ("search", "domain")), []),
    }


def _resolv_conf(path: Path) -> list[list[str]]:
    return [line.split() for line in _text(path).splitlines() if line.strip()]


def _nameservers(lines: list[list[str]]) -> list[str]:
    return [fields[1] for fields in lines if len(fields) > 1 and fields[0] == "nameserver"]


def _networks(root: Path) -> dict[str, t.Any]:
    """Return the network interfaces, and the IPv4 networks that are routed without a gateway."""
    networks = []
    for line in _text(root / "proc/net/route").splitlines()[1:]:
        interface, destination, gateway, *_rest, mask = line.split()[:8]
        if int(gateway, 16) == 0 and int(mask, 16) != 0:
            networks.append({"interface": interface, "network": f"{_address(destination)}/{bin(int(mask, 16)).count('1')}"})
    return {"interfaces": sorted(path.name for path in (root / "sys/class/net").glob("*")), "networks": networks}


def _ephemeral_ports(root: Path) -> dict[str, t.Any]:
    """Return the first and last port that the kernel gives to sockets without one. A container may not show them."""
    bounds = _text(root / "proc/sys/net/ipv4/ip_local_port_range").split()
    return {"ephemeral_ports": [int(bound) for bound in bounds] if len(bounds) == 2 else []}


def _cluster_networks(root: Path) -> dict[str, t.Any]:
    """Return the networks that the host's components use now, by variable."""
    found = {
        "cluster_service_cidr": re.search(r"--service-cluster-ip-range=([0-9./]+)", _text(root / "etc/systemd/system/kube-apiserver.service")),
        "cluster_pod_cidr": re.search(r"^FLANNEL_NETWORK=([0-9./]+)$", _text(root / "run/flannel/subnet.env"), re.MULTILINE),
    }
    return {"cluster_networks": {variable: match[1] for variable, match in found.items() if match}}


def _address(text: str) -> str:
    return str(ipaddress.IPv4Address(struct.pack("=I", int(text, 16))))


def _authorities(root: Path) -> dict[str, t.Any]:
    """Return the fingerprints of the CA bundles that components of the collection trust."""
    return {"authorities": {f"/{path.relative_to(root)}": fingerprints(_text(path)) for path in sorted(root.glob(BUNDLES))}}


def _assignments(path: Path) -> dict[str, str]:
    """Return the variables of a file like os-release."""
    pairs = (line.partition("=") for line in _text(path).splitlines())
    return {name: value.strip("\"'") for name, equals, value in pairs if equals}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""

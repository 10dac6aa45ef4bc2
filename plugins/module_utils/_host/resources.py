# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load, memory, disks and uptime of a host, read from files below a root, so that a test can have its own."""

from __future__ import annotations

import math
import os
import re
import time
import typing as t
from pathlib import Path

__all__ = ("DISKS", "boot", "disks", "resources")

# Directories of hosts whose content grows. Each file system is reported once.
DISKS = ("/", "/opt", "/tmp", "/var/log", "/var/lib", "/var/lib/containerd", "/var/lib/kubelet", "/run")

_MIB = 1024 * 1024
# Files with the limit and the usage of memory: cgroup v2, then v1.
_LIMITS = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))


def resources(root: Path = Path("/")) -> dict[str, t.Any]:
    """Return load, memory and uptime."""
    boot_id, uptime = boot(root)
    return {
        "load": [round(float(number), 2) for number in _text(root / "proc/loadavg").split()[:3]],
        "processors": os.cpu_count() or 1,
        "memory": _memory(root),
        "uptime": uptime,
        "boot_id": boot_id,
    }


def boot(root: Path = Path("/")) -> tuple[str, int]:
    """Return an ID of this boot and its uptime in seconds. The ID has the start of process 1, since containers share the boot ID of their machine."""
    ticks = int(_text(root / "proc/1/stat").rpartition(")")[2].split()[19])
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
    return f"{_text(root / 'proc/sys/kernel/random/boot_id')}/{ticks}", round(since_boot - ticks / os.sysconf("SC_CLK_TCK"))


def disks(paths: t.Iterable[str]) -> dict[str, dict[str, int]]:
    """Return size and usage of the file systems at these paths."""
    result: dict[str, dict[str, int]] = {}
    seen = set()
    for path in paths:
        try:
            device, state = os.stat(path).st_dev, os.statvfs(path)
        except OSError:
            continue
        if device not in seen and state.f_blocks:
            seen.add(device)
            used = state.f_blocks - state.f_bfree
            result[path] = {
                "total_mib": state.f_blocks * state.f_frsize // _MIB,
                # As df does: space that is reserved for root does not count.
                "used_percent": _percent(used, used + state.f_bavail),
                "inodes_used_percent": _percent(state.f_files - state.f_ffree, state.f_files),
            }
    return result


def _memory(root: Path) -> dict[str, int]:
    """Return the memory of the host or, in a container, of its limit."""
    amounts = {name: int(kib) * 1024 for name, kib in re.findall(r"^(\w+): +(\d+) kB$", _text(root / "proc/meminfo"), re.MULTILINE)}
    total, available = amounts["MemTotal"], amounts["MemAvailable"]
    for limit, usage in _LIMITS:
        limit, usage = (_text(root / "sys/fs/cgroup" / name) for name in (limit, usage))
        if limit.isdecimal() and usage.isdecimal() and int(limit) < total:
            total, available = int(limit), min(available, max(int(limit) - int(usage), 0))
    return {"total_mib": total // _MIB, "available_mib": available // _MIB}


def _percent(part: int, whole: int) -> int:
    return math.ceil(100 * part / whole) if whole else 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""

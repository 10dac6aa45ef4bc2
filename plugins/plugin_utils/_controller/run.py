# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The identity of a run of Ansible, which other runs can compare."""

from __future__ import annotations

import getpass
import os
import socket
import typing as t
from pathlib import Path

from ansible import context

__all__ = ("is_gone", "current_run")


def current_run(variables: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the identity of the current run. Actions run in children of ansible-playbook."""
    pid = os.getppid()
    controller = _controller()
    named = context.CLIARGS.get("args", ())
    names = [f"ansible {named}"] if isinstance(named, str) else [os.path.relpath(name) if os.path.isabs(name) else name for name in named]
    return {
        "id": f"{controller}:{pid}:{_started(pid)}",
        "controller": controller,
        "hostname": socket.gethostname(),
        "pid": pid,
        "started": _started(pid),
        "user": str(variables.get("awx_user_name") or getpass.getuser()),
        "job": str(variables.get("awx_job_id") or ""),
        "playbook": " ".join(names),
    }


def is_gone(holder: dict[str, t.Any]) -> bool:
    """Return whether a holder was a process of this controller that has exited. Another process may have its PID by now."""
    return bool(holder) and holder["controller"] == _controller() and _started(holder["pid"]) != holder["started"]


def _controller() -> str:
    """Return an ID of the scope of PIDs. It differs after a restart and in another container."""
    return f"{_read('/proc/sys/kernel/random/boot_id') or socket.gethostname()}/{_namespace()}"


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Return the start time of a process, in ticks since boot. A zombie counts as exited."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return "" if not fields or fields[0] in "ZX" else fields[19]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd units: render them, read their state, start and restart them.

The environment of every unit has a digest of all that the unit depends on. So the environment of the running process shows which
configuration it was started with, whoever started it.
"""

from __future__ import annotations

import hashlib
import os
import re
import resource
import typing as t
from pathlib import Path

from .._artifacts.release import PROGRAMS, RELEASES
from .._command import run
from .._errors import HostError
from .._files import read
from .._host.capability import CAP_SYS_RESOURCE, has_capability

__all__ = (
    "DIGEST", "UNIT", "UNITS", "daemon_reload", "digest", "has_process", "journal", "overrides", "reload", "render", "restart", "running_digest",
    "set_aside", "show", "start", "state",
)  # fmt: skip

DIGEST = "CFCR_DIGEST"
UNITS = Path("/etc/systemd/system")
# Directories in which people and programs, but no packages, change units.
DROP_INS = ("/etc/systemd/system", "/etc/systemd/system.control", "/run/systemd/system", "/run/systemd/system.control")
# The name of a drop-in that may override settings begins like this.
OPERATOR = "operator"
# Settings of a unit file that a drop-in adds to, instead of overriding them.
_ADDED = ("After", "Before", "Environment", "Requires", "Wants")

# The options of a unit of a job.
UNIT = {
    "name": {"type": "str", "required": True},
    "description": {"type": "str", "required": True},
    "program": {"type": "str", "required": True},
    "arguments": {"type": "list", "elements": "str", "default": []},
    "flags": {"type": "dict", "default": {}},
    "account": {"type": "str", "default": "root"},
    "mode": {"type": "str", "default": "0644"},
    "sandbox": {"type": "bool", "default": True},
    "settings": {"type": "dict", "default": {}},
    "watch": {"type": "list", "elements": "path", "default": []},
    "start": {"type": "bool", "default": True},
}


# What a network service does not need. Every directive is known to systemd 248.
SANDBOX: dict[str, t.Any] = {
    "CapabilityBoundingSet": "",
    "LockPersonality": True,
    "MemoryDenyWriteExecute": True,
    "NoNewPrivileges": True,
    "PrivateDevices": True,
    "PrivateTmp": True,
    "ProtectClock": True,
    "ProtectControlGroups": True,
    "ProtectHome": True,
    "ProtectHostname": True,
    "ProtectKernelLogs": True,
    "ProtectKernelModules": True,
    "ProtectKernelTunables": True,
    "ProtectSystem": "strict",
    "ReadOnlyPaths": "/run",  # the protection of the kernel's file systems makes it writable again, see MountAPIVFS= in systemd.exec(5)
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_NETLINK AF_UNIX",
    "RestrictNamespaces": True,
    "RestrictRealtime": True,
    "RestrictSUIDSGID": True,
    "SystemCallArchitectures": "native",
    "SystemCallErrorNumber": "EPERM",
    "SystemCallFilter": "@system-service",
    "UMask": "0077",
}


class State(t.NamedTuple):
    """The state of a unit in systemd."""

    active: bool
    enabled: bool
    failed: bool
    pid: int
    stale: bool
    restarts: int
    since: float = 0.0  # seconds of the monotonic clock


def render(unit: dict[str, t.Any], digest_of_the_rest: str = "") -> str:
    """Return the text of a unit file. Its digest covers the text and the given dependencies. A unit without a process needs none."""
    sections = _sections(unit)
    if not has_process(unit):
        return _text(sections)
    own = hashlib.sha256((_text(sections) + digest_of_the_rest).encode()).hexdigest()[:32]
    sections["Service"]["Environment"] = [*_list(sections["Service"].get("Environment", [])), f"{DIGEST}={own}"]
    return _text(sections)


def has_process(unit: dict[str, t.Any]) -> bool:
    """Tell whether the unit runs a process. A unit of type oneshot only changes the host, when it is started and reloaded."""
    return unit["settings"].get("Service", {}).get("Type") != "oneshot"


def digest(text: str) -> str | None:
    """Return the digest in a rendered unit."""
    for line in text.splitlines():
        if line.startswith(f"Environment={DIGEST}="):
            return line.rpartition("=")[2]
    return None


def running_digest(pid: int) -> str | None:
    """Return the digest that a process was started with, or None without a process.

    It is empty if the unit of a package started the process, or if an upgraded package has replaced its program since. A release that was
    installed again has the same programs, and the digest covers its version.
    """
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        program = os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return None
    if program.endswith(" (deleted)") and not program.startswith(f"{RELEASES}/"):
        return ""
    prefix = f"{DIGEST}=".encode()
    return next((variable[len(prefix):].decode() for variable in variables if variable.startswith(prefix)), "")


def state(names: list[str]) -> dict[str, State]:
    """Return the state of each unit, in one call."""
    properties = ("ActiveState", "UnitFileState", "MainPID", "NeedDaemonReload", "NRestarts", "ActiveEnterTimestampMonotonic")
    return {
        name: State(
            active=value["ActiveState"] == "active",
            enabled=value["UnitFileState"] == "enabled",
            failed=value["ActiveState"] == "failed",
            pid=int(value["MainPID"]),
            stale=value["NeedDaemonReload"] == "yes",
            restarts=int(value["NRestarts"]),
            since=int(value["ActiveEnterTimestampMonotonic"]) / 1e6,
        )
        for name, value in show(names, *properties).items()
    }


def show(names: list[str], *properties: str) -> dict[str, dict[str, str]]:
    """Return properties of each unit, in one call."""
    units = {f"{name}.service": name for name in names}
    blocks = run("systemctl", "show", "--property", ",".join(("Id", *properties)), *units).strip().split("\n\n")
    values = (dict(line.split("=", 1) for line in block.splitlines()) for block in blocks)
    shown = {units[value["Id"]]: value for value in values}
    return {name: shown[name] for name in names}


def overrides(name: str, text: str, root: Path = Path("/")) -> dict[str, str]:
    """Return the drop-ins that override a setting of this unit file, and their content."""
    own = {setting for setting, _value in _settings(text)}
    found = {}
    for path in (path for directory in DROP_INS for path in sorted((root / directory.lstrip("/") / f"{name}.service.d").glob("*.conf"))):
        content = read(str(path)) or ""
        if not path.name.startswith(OPERATOR) and any(setting in own and not (setting[1] in _ADDED and value) for setting, value in _settings(content)):
            found[str(path)] = content
    return found


def set_aside(drop_ins: t.Iterable[str]) -> None:
    """Rename drop-ins, so that systemd no longer reads them."""
    for path in drop_ins:
        Path(path).rename(f"{path}.disabled")
    daemon_reload()


def daemon_reload() -> None:
    """Let systemd read the files of units again."""
    run("systemctl", "daemon-reload")


def _settings(text: str) -> t.Iterator[tuple[tuple[str, str], str]]:
    """Yield section, name and value of each setting in a unit file."""
    section = ""
    for line in (line.strip() for line in text.splitlines()):
        name, equals, value = line.partition("=")
        if line.startswith("["):
            section = line.strip("[]")
        elif equals and not line.startswith(("#", ";")):
            yield (section, name.strip()), value.strip()


def enable(names: list[str]) -> None:
    """Enable units. The caller lets systemd read them, once for all that it changes."""
    run("systemctl", "enable", "--quiet", "--no-reload", *names)


def start(names: list[str]) -> None:
    """Start units without waiting. The caller waits for their health."""
    run("systemctl", "start", "--no-block", *(f"{name}.service" for name in names))


def restart(name: str) -> None:
    """Restart one unit without waiting. The caller waits for its health."""
    run("systemctl", "restart", "--no-block", f"{name}.service")


def reload(name: str) -> None:
    """Reload one unit. The caller waits until the service has loaded all files."""
    try:
        run("systemctl", "reload", f"{name}.service")
    except HostError as error:
        # Only the output of the failed command, not the other log messages of the service.
        commands = run("systemctl", "show", "--property", "ExecReload", f"{name}.service")
        refused = re.search(r"pid=([1-9]\d*) ; code=\w+ ; status=[1-9]", commands)
        said = run("journalctl", f"_PID={refused[1]}", "--boot", "--lines", "8", "--no-pager", "--output", "cat") if refused else str(error)
        raise HostError(f"{name} is not reloaded and keeps its former configuration: {said.strip()}") from error


def journal(name: str, lines: int = 8) -> str:
    """Return the last lines of a unit's journal, for an error message."""
    return run("journalctl", "--unit", f"{name}.service", "--lines", str(lines), "--no-pager", "--output", "cat").strip()


def _sections(unit: dict[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    program = unit["program"] if unit["program"].startswith("/") else str(PROGRAMS / unit["program"])
    sections: dict[str, dict[str, t.Any]] = {
        "Unit": {
            "Description": unit["description"],
            "Wants": "network-online.target",
            "After": "network-online.target",
            "StartLimitIntervalSec": 0,
        },
        "Service": {
            "Type": "exec",
            "ExecStart": " ".join([_escape(program), *map(_escape, unit["arguments"]), *map(_escape, _flags(unit["flags"]))]),
            "Restart": "always",
            "RestartSec": 1,
            "LimitNOFILE": 65536,
        },
        "Install": {"WantedBy": "multi-user.target"},
    }
    if unit["account"] != "root":
        sections["Service"]["User"] = unit["account"]
    if unit["sandbox"]:
        sections["Service"].update(SANDBOX)
    for section, settings in unit["settings"].items():
        sections.setdefault(section, {}).update(settings)
    _fit_limits(sections["Service"])
    return sections


def _fit_limits(service: dict[str, t.Any]) -> None:
    """Reduce limits to those of the host. Without CAP_SYS_RESOURCE a unit with higher limits does not start."""
    if has_capability(CAP_SYS_RESOURCE, process=1):
        return
    hard = resource.prlimit(1, resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY:
        service["LimitNOFILE"] = min(int(service["LimitNOFILE"]), hard)
    if int(service.get("OOMScoreAdjust", 0)) < 0:
        del service["OOMScoreAdjust"]


def _flags(flags: dict[str, t.Any]) -> list[str]:
    """Return command line flags. A list is joined by commas, a mapping becomes key=value pairs, and None omits a flag."""
    arguments = []
    for name, value in flags.items():
        if isinstance(value, bool):
            value = str(value).lower()
        elif isinstance(value, dict):
            value = ",".join(f"{key}={item}" for key, item in value.items())
        elif isinstance(value, list):
            value = ",".join(map(str, value))
        if value is not None:
            arguments.append(f"--{name}={value}")
    return arguments


def _escape(argument: str) -> str:
    """Quote an argument for systemd, see systemd.syntax(7) and systemd.service(5)."""
    argument = argument.replace("%", "%%").replace("$", "$$")
    if not argument or any(character in argument for character in " \t\"'\\;"):
        argument = '"' + argument.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return argument


def _text(sections: dict[str, dict[str, t.Any]]) -> str:
    lines = ["# Written by the Ansible collection cfcr.kubernetes; changes are overwritten."]
    for section, settings in sections.items():
        lines += ["", f"[{section}]"]
        for key, value in settings.items():
            lines += [f"{key}={_value(item)}" for item in _list(value)]
    return "\n".join(lines) + "\n"


def _list(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else [value]


def _value(value: t.Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

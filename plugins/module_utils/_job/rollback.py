# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The jobs of a host as they were before a change: which releases the symlinks point to, and the files of each job. A failed change goes back to them.

They are on the host itself, so it needs neither the former inventory nor a network. Keys, certificates and secret files are not among them: they do not
depend on versions, and a rotation may have replaced them after an interrupted change had saved the state.
"""

from __future__ import annotations

import base64
import json
import os
import stat
import typing as t
from pathlib import Path

from .._artifacts.release import PROGRAMS
from .._errors import HostError
from .._files import make_directory, read, write_atomically
from . import descriptor, records, reload, systemd

__all__ = ("PATH", "collect", "forget", "outdated", "put_back", "read_saved", "save")

PATH = Path("/var/lib/cfcr/rollback.json")

State = t.Dict[str, t.Any]


def collect(root: Path = Path("/")) -> State:
    """Return the symlinks and the files of all jobs."""
    programs = root / PROGRAMS.relative_to("/")
    links = {path.name: os.readlink(path) for path in sorted(programs.iterdir()) if path.is_symlink()} if programs.is_dir() else {}
    return {"links": links, "files": {path: _file(root / path.lstrip("/")) for path in _paths(root)}}


def save(owner: str, path: Path = PATH, root: Path = Path("/")) -> bool:
    """Save the present state for a change, and return whether it was new. A change that was interrupted leaves the saved state from before it began."""
    saved = read_saved(path)
    if saved and saved["owner"] == owner:
        return False
    make_directory(str(path.parent))
    write_atomically(str(path), json.dumps({"owner": owner, **collect(root)}).encode(), 0o600)
    return True


def read_saved(path: Path = PATH) -> State | None:
    """Return the saved state, or None."""
    content = read(str(path))
    if content is None:
        return None
    try:
        return json.loads(content)
    except ValueError as error:
        raise HostError(f"{path}: {error}") from error


def forget(path: Path = PATH) -> bool:
    """Remove the saved state, and return whether there was one."""
    found = path.exists()
    path.unlink(missing_ok=True)
    return found


def put_back(saved: State, root: Path = Path("/")) -> list[str]:
    """Put the saved symlinks and files back, remove those that are new, and return what has changed."""
    now = collect(root)
    changed = []
    for name in sorted({*now["links"], *saved["links"]}):
        if now["links"].get(name) != saved["links"].get(name):
            changed.append(str(PROGRAMS / name))
            _link(root / PROGRAMS.relative_to("/") / name, saved["links"].get(name))
    for path in sorted({*now["files"], *saved["files"]}):
        before = saved["files"].get(path)
        if now["files"].get(path) != before:
            changed.append(path)
            _write(root / path.lstrip("/"), before)
    return changed


def outdated(units: t.Iterable[State]) -> dict[str, str]:
    """Return the units that are not running as their files say, each with what is to be done: restart or reload."""
    units = {unit["name"]: unit for unit in units}
    found = {}
    states = systemd.state(list(units)) if units else {}
    for name, unit in units.items():
        text = read(str(systemd.UNITS / f"{name}.service")) or ""
        state = states[name]
        if not state.active or (systemd.digest(text) and systemd.running_digest(state.pid) != systemd.digest(text)):
            found[name] = "restart"
        elif unit.get("reload") and reload.problem(unit["reload"], {path: reload.digest(read(path)) for path in unit["reload"]["watch"]}):
            found[name] = "reload"
    return found


def _paths(root: Path) -> list[str]:
    found: list[str] = []
    for job in descriptor.read_all(root):
        found += [descriptor.path_of(job["name"]), *job["files"]]
        found += [str(systemd.UNITS / f"{unit['name']}.service") for unit in job["units"]]
        found.append(str(records.DIRECTORY / f"{job['name']}.json"))
    return sorted(dict.fromkeys(found))


def _file(path: Path) -> State | None:
    try:
        status = path.stat()
        content = path.read_bytes()
    except OSError:
        return None
    return {"content": base64.b64encode(content).decode(), "mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid}


def _link(path: Path, target: str | None) -> None:
    if target is None:
        path.unlink(missing_ok=True)
        return
    if not os.path.exists(target):
        raise HostError(f"{path}: found no {target}, the former release")
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.rename(path)


def _write(path: Path, file: State | None) -> None:
    if file is None:
        path.unlink(missing_ok=True)
        return
    make_directory(str(path.parent))
    write_atomically(str(path), base64.b64decode(file["content"]), file["mode"])
    os.chown(path, file["uid"], file["gid"])

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The descriptor that a job leaves on its host: its units with their health checks, and the paths of its files.

Modules host_health, host_logs and unit_restart read it. It holds no content of files, so it may be world-readable.
"""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from .._errors import HostError

__all__ = ("DIRECTORY", "path_of", "read_all", "render")

DIRECTORY = "etc/cfcr/jobs"


def path_of(name: str) -> str:
    """Return the path of a job's descriptor."""
    return f"/{DIRECTORY}/{name}.json"


def render(options: dict[str, t.Any], files: list[dict[str, t.Any]]) -> str:
    """Return the descriptor of a job, given the options of module job and its files."""
    pki = options.get("pki") or {"certificates": [], "bundles": []}
    descriptor = {
        "name": options["name"],
        "units": [_unit(unit) for unit in options["units"]],
        "certificates": [f"{entry['path']}.crt" for entry in pki["certificates"]],
        "bundles": [bundle["path"] for bundle in pki["bundles"]],
        "sysctls": options["sysctls"],
        "directories": [entry["path"] for entry in options["directories"]],
        "files": [entry["path"] for entry in files if not entry["secret"]],
        "secret_files": [entry["path"] for entry in files if entry["secret"]] + [f"{entry['path']}.key" for entry in pki["certificates"]],
    }
    return json.dumps(descriptor, indent=2) + "\n"


def read_all(root: Path = Path("/")) -> list[dict[str, t.Any]]:
    """Return the descriptors of all jobs on the host."""
    return [_read(path) for path in sorted((root / DIRECTORY).glob("*.json"))]


def _read(path: Path) -> dict[str, t.Any]:
    try:
        descriptor = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HostError(f"{path}: {error}") from error
    # Before 0.9.0, bundles were called authorities. A host has such descriptors until site.yml has configured it.
    descriptor.setdefault("bundles", descriptor.pop("authorities", []))
    descriptor.setdefault("sysctls", {})
    return descriptor


def _unit(unit: dict[str, t.Any]) -> dict[str, t.Any]:
    health = [_without_blanks(health) for health in unit["health"]]
    reload = _without_blanks(unit["reload"]) if unit.get("reload") else None
    kernel = _without_blanks(unit["kernel"]) if unit.get("kernel") else None
    return _without_blanks({"name": unit["name"], "health": health, "reload": reload, "kernel": kernel})


def _without_blanks(entry: dict[str, t.Any]) -> dict[str, t.Any]:
    return {name: value for name, value in entry.items() if value is not None}

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The logs of a host, to find a fault: its journals, its configuration and its state, by file name and without secrets."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from .._command import run
from .._errors import HostError
from .redact import Redaction, certificates_only

__all__ = ("collect",)

_LINES = "20000"  # of each journal, the last ones
_UNITS = Path("/etc/systemd/system")
_STATES = {
    "failed-units.txt": ("systemctl", "list-units", "--failed", "--no-pager"),
    "addresses.txt": ("ip", "-brief", "address"),
    "routes.txt": ("ip", "route", "show", "table", "all"),
    "disks.txt": ("df", "--human-readable"),
    "memory.txt": ("free", "--mebi"),
}


def collect(jobs: list[dict[str, t.Any]], since: str, root: Path = Path("/")) -> dict[str, str]:
    """Return the texts that are not empty, by file name."""
    redact = Redaction(_read(root, path) for job in jobs for path in job["secret_files"])
    texts = {**_journals(jobs, since), **_configuration(jobs, root), **_states()}
    certificates = {f"configuration{path}": certificates_only(_read(root, path)) for job in jobs for path in (*job["certificates"], *job["bundles"])}
    return {name: text for name, text in {**{name: redact(text) for name, text in texts.items()}, **certificates}.items() if text.strip()}


def _journals(jobs: list[dict[str, t.Any]], since: str) -> dict[str, str]:
    """Return the journals of the units and of the kernel, and the warnings of all units."""
    show = ("journalctl", "--no-pager", "--quiet", "--output", "short-iso", "--since", since, "--lines", _LINES)
    units = {unit["name"] for job in jobs for unit in job["units"]}
    return {
        **{f"journal/{unit}.log": run(*show, "--unit", f"{unit}.service") for unit in sorted(units)},
        "journal/kernel.log": run(*show, "--dmesg"),
        "journal/warnings.log": run(*show, "--priority", "warning"),
    }


def _configuration(jobs: list[dict[str, t.Any]], root: Path) -> dict[str, str]:
    """Return the descriptors, units and files of the jobs, without secret files and without files of a pki directory."""
    secret = {path for job in jobs for path in job["secret_files"]}
    files = [path for job in jobs for path in job["files"] if path not in secret and "/pki/" not in path]
    units = [str(_UNITS / f"{unit['name']}.service") for job in jobs for unit in job["units"]]
    texts = {f"configuration{path}": _read(root, path) for path in (*files, *units)}
    return {**texts, **{f"configuration/etc/cfcr/jobs/{job['name']}.json": json.dumps(job, indent=2) for job in jobs}}


def _states() -> dict[str, str]:
    texts = {}
    for name, command in _STATES.items():
        try:
            texts[f"state/{name}"] = run(*command)
        except HostError as error:
            texts[f"state/{name}"] = str(error)
    return texts


def _read(root: Path, path: str) -> str:
    """Return the text of a file, empty for one that is missing or binary."""
    try:
        return (root / path.lstrip("/")).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""

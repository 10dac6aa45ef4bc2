# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of each job, recorded on its host, so that host_facts finds all jobs that are still in the desired state.

That saves a round trip for each job. A record has only the desired state, and each check compares the host with it as module job does.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import typing as t
from pathlib import Path

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .._errors import HostError
from .._files import make_directory, read, write_atomically
from .._pki import files
from .job import SPEC, Job, differences

__all__ = ("drift", "unchanged", "write")

DIRECTORY = Path("/var/lib/cfcr/jobs")


def write(options: dict[str, t.Any]) -> None:
    """Record the options of a job in its desired state, without secrets. A job with secrets has no digest."""
    kept = {name: value for name, value in options.items() if name not in ("secrets", "certificates", "proxy")}
    if options["pki"]:
        kept["pki"] = {**options["pki"], "phase": "read", **{kind: _places(options["pki"][kind]) for kind in ("certificates", "bundles")}}
    content = json.dumps(kept) + "\n"
    path = DIRECTORY / f"{options['name']}.json"
    try:
        if path.read_text(encoding="utf-8") == content:
            return
    except OSError:
        make_directory(str(DIRECTORY), 0o700)
    write_atomically(str(path), content.encode(), 0o600)


def unchanged() -> dict[str, dict[str, t.Any]]:
    """Return the jobs that are still in their recorded state, by name: the digest of their options, and their certificates."""
    paths = sorted(DIRECTORY.glob("*.json")) if os.access(DIRECTORY, os.R_OK) else []
    with concurrent.futures.ThreadPoolExecutor(max(1, len(paths))) as pool:
        checked = list(pool.map(_check, paths))
    return {path.stem: job for path, job in zip(paths, checked) if job}


def drift() -> dict[str, list[str]]:
    """Return what differs from the recorded state of each job. Units that are stopped or outdated are left to their health."""
    found = {}
    for path in sorted(DIRECTORY.glob("*.json")) if os.access(DIRECTORY, os.R_OK) else []:
        options = _recorded(path)
        if options is None:
            continue
        # The content of a secret file is not recorded, so any content will do.
        options["secrets"] = {entry["content"]: read(entry["path"]) or "" for entry in options["files"] if entry["secret"]}
        options["images"] = []
        try:
            job = Job(options)
            before, after = differences(job.actual(), job.wanted())
            pki = files.read(options["pki"], check_mode=True) if options["pki"] else {"certificates": [], "drift": {}}
        except (HostError, OSError, ValueError) as error:
            found[path.stem] = [str(error)]
            continue
        texts = [f"{kind} {name}" for kind, things in after.items() for name in things if kind != "services"]
        for name, wanted in after.get("services", {}).items():
            actual = before["services"][name]
            texts += [f"services {name}: {aspect}" for aspect in ("enabled", "drop-ins") if actual[aspect] != wanted[aspect]]
        texts += [f"files {entry['path']}.key" for entry in pki["certificates"] if entry["public_key"] is None]
        texts += [f"files {file}" for file in pki["drift"]]
        if texts:
            found[path.stem] = texts
    return found


def _recorded(path: Path) -> dict[str, t.Any] | None:
    """Return the recorded options of a job, or None if they are in the format of another version."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    validated = ArgumentSpecValidator(SPEC).validate(kept if isinstance(kept, dict) else {})
    return None if validated.error_messages else validated.validated_parameters


def _check(path: Path) -> dict[str, t.Any] | None:
    """Return the digest and certificates of a job in its recorded state, or None. Records in the format of another version count as None."""
    try:
        options = _recorded(path)
        if options is None or not options["asked"]:
            return None
        job = Job(options)
        before, after = differences(job.actual(), job.wanted())
        if before != after or job.outdated() or not job.is_healthy():
            return None
        return {"asked": options["asked"], "pki": files.read(options["pki"], check_mode=True) if options["pki"] else None}
    except (HostError, OSError, ValueError):
        return None


def _places(entries: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Return paths and owners of certificate files, without the signed certificates."""
    return [{name: entry[name] for name in ("path", "owner") if name in entry} for entry in entries]

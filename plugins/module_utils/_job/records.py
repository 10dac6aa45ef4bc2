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
from .._files import make_directory, write_atomically
from .._pki import files
from .job import SPEC, Job, differences

__all__ = ("unchanged", "write")

DIRECTORY = Path("/var/lib/cfcr/jobs")


def write(options: dict[str, t.Any]) -> None:
    """Record the options of a job in its desired state. A job with secrets has no digest and is not recorded."""
    if not options["asked"]:
        return
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


def _check(path: Path) -> dict[str, t.Any] | None:
    """Return the digest and certificates of a job in its recorded state, or None. Records in the format of another version count as None."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        validated = ArgumentSpecValidator(SPEC).validate(kept if isinstance(kept, dict) else {})
        if validated.error_messages:
            return None
        options = validated.validated_parameters
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

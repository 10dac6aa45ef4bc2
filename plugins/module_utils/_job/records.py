# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of each job, recorded on its host, so that host_facts finds all jobs that are still in the desired state.

That saves a round trip for each of them. A record has only the desired state. Each check compares the host with it as module job does.
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

__all__ = ("as_asked", "write")

DIRECTORY = Path("/var/lib/cfcr/jobs")


def write(options: dict[str, t.Any]) -> None:
    """Keep the options of a job that is as they ask. What has secrets carries no digest, and is not kept."""
    if not options["asked"]:
        return
    kept = {name: value for name, value in options.items() if name not in ("secrets", "certificates")}
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


def as_asked() -> dict[str, dict[str, t.Any]]:
    """Return the jobs that are as they were asked, by name: the digest of that, and what certificates they have."""
    paths = sorted(DIRECTORY.glob("*.json")) if os.access(DIRECTORY, os.R_OK) else []
    with concurrent.futures.ThreadPoolExecutor(max(1, len(paths))) as pool:
        looks = list(pool.map(_look, paths))
    return {path.stem: look for path, look in zip(paths, looks) if look}


def _look(path: Path) -> dict[str, t.Any] | None:
    """Return what there is to say of a job that is as its record asks; None of any other, and of a record that this version does not understand."""
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
    """Return where files of certificates are and whose, without what was signed."""
    return [{name: entry[name] for name in ("path", "owner") if name in entry} for entry in entries]

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files that a reloadable service reports as loaded.

A reload does not change the environment of the process, and a failed reload leaves the former files loaded. So the service itself
reports them, by a URL or by a command.
"""

from __future__ import annotations

import hashlib
import http.client
import typing as t

from .._command import run
from .._errors import HostError
from . import probe

__all__ = ("RELOAD", "digest", "problem")

# The option of a unit that describes its reload.
RELOAD = {
    "type": "dict",
    "options": {
        "watch": {"type": "list", "elements": "path", "required": True},
        "url": {"type": "str"},
        "command": {"type": "list", "elements": "str"},
    },
    "required_one_of": [["url", "command"]],
}


def digest(content: str | None) -> str:
    """Return the digest that sha256sum shows of this content."""
    return "" if content is None else hashlib.sha256(content.encode(errors="surrogateescape")).hexdigest()


def problem(reload: dict[str, t.Any], wanted: dict[str, str]) -> str | None:
    """Return the reason if the service has not loaded the files with these digests, or None."""
    source = reload.get("url") or " ".join(reload["command"])
    try:
        said = _answer(reload["url"]) if reload.get("url") else run(*reload["command"])
    except (HostError, OSError, http.client.HTTPException) as error:
        return f"{source}: {error or type(error).__name__}"
    loaded = {path: found for found, _space, path in (line.partition("  ") for line in said.splitlines())}
    others = [path for path, one in wanted.items() if loaded.get(path) != one]
    return f"{source}: has not loaded the current {', '.join(others)}" if others else None


def _answer(url: str) -> str:
    status, body = probe.get({"url": url})
    return body if status == 200 else ""

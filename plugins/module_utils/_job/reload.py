# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files that a reloadable service reports as loaded.

A reload does not change the environment of the process, and a failed reload leaves the former files loaded. So the service itself
reports them.
"""

from __future__ import annotations

import hashlib
import http.client

from . import probe

__all__ = ("RELOAD", "digest", "problem")

# The option of a unit that describes its reload.
RELOAD = {"watch": {"type": "list", "elements": "path", "required": True}, "url": {"type": "str", "required": True}}


def digest(content: str | None) -> str:
    """Return the digest that sha256sum shows of this content."""
    return "" if content is None else hashlib.sha256(content.encode(errors="surrogateescape")).hexdigest()


def problem(url: str, wanted: dict[str, str]) -> str | None:
    """Return the reason if the service has not loaded the files with these digests, or None."""
    try:
        status, body = probe.get({"url": url})
    except (OSError, http.client.HTTPException) as error:
        return f"{url}: {error or type(error).__name__}"
    loaded = {path: found for found, _space, path in (line.partition("  ") for line in body.splitlines())} if status == 200 else {}
    others = [path for path, one in wanted.items() if loaded.get(path) != one]
    return f"{url}: has not loaded the current {', '.join(others)}" if others else None

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a service that can be reloaded says of the files that it has loaded.

A reload leaves the process, and with it its environment, as it was, and a reload that failed leaves what was loaded before. So the service
itself is asked.
"""

from __future__ import annotations

import hashlib
import http.client

from . import probe

__all__ = ("RELOAD", "digest", "problem")

# How a service is reloaded, as the option of a unit.
RELOAD = {"watch": {"type": "list", "elements": "path", "required": True}, "url": {"type": "str", "required": True}}


def digest(content: str | None) -> str:
    """Return the digest that sha256sum shows of this content."""
    return "" if content is None else hashlib.sha256(content.encode(errors="surrogateescape")).hexdigest()


def problem(url: str, wanted: dict[str, str]) -> str | None:
    """Return what keeps a service from having loaded the files with these digests, or None."""
    try:
        status, body = probe.get({"url": url})
    except (OSError, http.client.HTTPException) as error:
        return f"{url}: {error or type(error).__name__}"
    loaded = {path: found for found, _space, path in (line.partition("  ") for line in body.splitlines())} if status == 200 else {}
    others = [path for path, one in wanted.items() if loaded.get(path) != one]
    return f"{url}: has not loaded {', '.join(others)} as on disk" if others else None

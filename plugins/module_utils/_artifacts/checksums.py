# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checksums that projects publish with their releases."""

from __future__ import annotations

import json
import re

__all__ = ("published",)


def published(text: str, url: str) -> str | None:
    """Return the SHA-256 that a checksum file gives for the file at a URL, or None.

    It has one of three forms: one bare checksum; lines of sha256sum, perhaps inside a signed message; or GitHub's description of a release, in
    JSON. If a line has a path, the URL must end with the whole path, since many files are called kubelet.
    """
    text = text.strip()
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return text.lower()
    for name, checksum in _release(text) if text.startswith("{") else _lines(text):
        if f"/{url}".endswith(f"/{name}"):
            return checksum.lower()
    return None


def _lines(text: str) -> list[tuple[str, str]]:
    found = re.findall(r"^([0-9a-fA-F]{64}) [ *](?:\./)?(\S+)\s*$", text, re.MULTILINE)
    return [(name, checksum) for checksum, name in found]


def _release(text: str) -> list[tuple[str, str]]:
    try:
        assets = json.loads(text).get("assets", [])
    except ValueError:
        return []
    digests = [(asset["name"], asset.get("digest") or "") for asset in assets]
    return [(name, digest.partition(":")[2]) for name, digest in digests if digest.startswith("sha256:")]

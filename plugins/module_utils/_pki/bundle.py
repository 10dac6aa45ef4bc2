# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CA bundles, as far as the standard library reads them."""

from __future__ import annotations

import binascii
import hashlib
import re

__all__ = ("fingerprints",)

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----")


def fingerprints(bundle: str | None) -> list[str]:
    """Return the SHA-256 of every certificate in a bundle; damaged ones are left out."""
    found = []
    for encoded in _CERTIFICATE.findall(bundle or ""):
        try:
            found.append(hashlib.sha256(binascii.a2b_base64(encoded)).hexdigest())
        except binascii.Error:
            continue
    return found

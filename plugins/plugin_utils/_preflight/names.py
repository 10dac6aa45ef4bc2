# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The form of names."""

from __future__ import annotations

import ipaddress
import re

__all__ = ("LABEL", "is_domain", "is_host", "is_name")

# A label of a DNS name, and the name of a namespace (RFC 1123).
LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


def is_domain(text: str) -> bool:
    """Return whether this is a DNS domain in lower-case letters."""
    return len(text) <= 253 and all(re.fullmatch(LABEL, label) for label in text.split("."))


def is_name(text: str) -> bool:
    """Return whether this is a DNS name. One of digits and dots only is a mistyped address."""
    return is_domain(text.lower()) and not re.fullmatch(r"[0-9.]*", text)


def is_host(text: str) -> bool:
    """Return whether this is a DNS name or an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return is_name(text)
    return True

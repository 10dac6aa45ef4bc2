# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The form of names."""

from __future__ import annotations

__all__ = ("LABEL",)

# A label of a DNS name, and the name of a namespace (RFC 1123).
LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"

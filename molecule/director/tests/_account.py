# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was done, and how long it took, for the end."""

from __future__ import annotations

ACCOUNT: list[tuple[str, str]] = []


def tell(what: str, how: str) -> None:
    """Keep it."""
    ACCOUNT.append((what, how))

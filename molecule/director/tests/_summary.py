# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A summary of what the tests did and how long it took, printed at the end."""

from __future__ import annotations

SUMMARY: list[tuple[str, str]] = []


def summarize(action: str, result: str) -> None:
    """Add a line to the summary."""
    SUMMARY.append((action, result))

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The range of the offset of another host's clock, from the times of the request and of the answer."""

from __future__ import annotations

__all__ = ("offset",)


def offset(there: float, sent: float, received: float) -> list[float]:
    """Return the least and the most that the clock is ahead, since the exact time of its reading is not known."""
    return [round(there - received, 3), round(there - sent, 3)]

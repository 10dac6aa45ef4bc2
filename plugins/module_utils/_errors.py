# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one exception that the helpers of this collection raise and that main() of a module turns into its failure."""

from __future__ import annotations

__all__ = ("HostError",)


class HostError(Exception):
    """Something on the host is not as it must be; the message says what was found and what is allowed."""

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong out there. None of it ends a program."""

from __future__ import annotations

import asyncio

import aiohttp


class RoutingError(Exception):
    """Somebody did not do what was asked; says who and why, and never a secret."""


# What a request over the network may raise. RoutingError says it better wherever it was known better.
FAULTS = (RoutingError, aiohttp.ClientError, asyncio.TimeoutError, OSError)


def reason(error: BaseException) -> str:
    """Say in one line what an exception means."""
    text = " ".join(str(error).split())
    return text if isinstance(error, RoutingError) else f"{type(error).__name__}: {text}" if text else type(error).__name__

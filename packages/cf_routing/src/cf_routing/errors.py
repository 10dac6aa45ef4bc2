# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Failures of peers. None of them ends a program."""

from __future__ import annotations

import asyncio
import re

import aiohttp


class RoutingError(Exception):
    """A peer failed. The message names the peer and the cause, and contains no secret."""


class Unanswered(RoutingError):
    """A request got no answer from the peer, which may still work on it."""


class Duplicates(RoutingError):
    """The routing API has several rows for one mapping. It refuses to renew or to delete them, so they must expire."""


# Exceptions of a network request. RoutingError replaces the others if the cause is known better.
FAULTS = (RoutingError, aiohttp.ClientError, asyncio.TimeoutError, OSError)


def reason(error: BaseException) -> str:
    """Describe an exception in one line."""
    # aiohttp prints its TLS context.
    text = re.sub(r" ssl:(<[^>]*>|\w+)", "", " ".join(str(error).split()))
    return text if isinstance(error, RoutingError) else f"{type(error).__name__}: {text}" if text else type(error).__name__

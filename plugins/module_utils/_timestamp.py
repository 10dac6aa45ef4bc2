# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Timestamps as people, modules and the store read and write them: whole seconds in UTC, such as 2026-11-21T09:00:00Z."""

from __future__ import annotations

import datetime

__all__ = ("from_timestamp", "to_timestamp")

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def to_timestamp(moment: datetime.datetime) -> str:
    """Return the timestamp of a moment in UTC."""
    return moment.strftime(_FORMAT)


def from_timestamp(text: str) -> datetime.datetime:
    """Return the moment; raise ValueError if the text is no timestamp."""
    return datetime.datetime.strptime(text, _FORMAT).replace(tzinfo=datetime.timezone.utc)

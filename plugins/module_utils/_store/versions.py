# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of the versions that a cluster's components have."""

from __future__ import annotations

import typing as t

from .store import Store

__all__ = ("RECORD", "Versions", "recorded")

RECORD = "credentials/versions"

Versions = t.Dict[str, t.Any]


def recorded(store: Store) -> Versions:
    """Return the versions of the cluster's components, or none before the store has a record of them."""
    record = store.get(RECORD)
    return record.public["now"] if record else {}

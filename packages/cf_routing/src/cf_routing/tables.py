# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables of routes: the key identifies a route, the value is the set of its hosts. Most routes share one set."""

from __future__ import annotations

import typing as t

Key = t.TypeVar("Key")


def without(left: dict[Key, frozenset[str]], right: dict[Key, frozenset[str]]) -> dict[Key, frozenset[str]]:
    """Return the part of the left table that is not in the right one."""
    rest = {key: ips - right.get(key, frozenset()) for key, ips in left.items()}
    return {key: ips for key, ips in rest.items() if ips}


def union(left: dict[Key, frozenset[str]], right: dict[Key, frozenset[str]]) -> dict[Key, frozenset[str]]:
    return {key: left.get(key, frozenset()) | right.get(key, frozenset()) for key in {**left, **right}}

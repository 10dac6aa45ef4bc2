# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The groups of the inventory without hosts that have left the cluster, or are leaving it. Their lines may still be in the inventory."""

from __future__ import annotations

import typing as t

__all__ = ("REMOVED", "staying")

REMOVED = "removed"  # the group of these hosts; playbooks site and remove add them to it

Groups = t.Mapping[str, t.Sequence[str]]


def staying(groups: Groups) -> dict[str, list[str]]:
    """Return the groups with the hosts that stay. Group all still has all hosts, and group removed those that do not stay."""
    removed = set(groups.get(REMOVED, ()))
    return {name: list(hosts) if name in ("all", REMOVED) else [host for host in hosts if host not in removed] for name, hosts in groups.items()}

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of a cluster with their indices, which do not change when other hosts come and go. The function is pure."""

from __future__ import annotations

import itertools
import typing as t
from collections import Counter

from .._errors import HostError

__all__ = ("Hosts", "with_indices")

Hosts = t.Dict[str, t.Dict[str, t.Any]]  # name: {"group": …, "index": …}


def with_indices(recorded: Hosts, groups: t.Mapping[str, t.Sequence[str]], complete: bool) -> Hosts:
    """Return the hosts of these groups, and, unless the groups are complete, the recorded ones that they leave out.

    A host keeps its index while it stays in its group. A new one gets the lowest that is free, so hosts without a record get their positions.
    """
    names = Counter(name for members in groups.values() for name in members)
    if repeated := [name for name, times in names.items() if times > 1]:
        raise HostError(f"groups: found {', '.join(repeated)} more than once, expected each host once")
    hosts = {} if complete else {name: entry for name, entry in recorded.items() if name not in names}
    for group, members in groups.items():
        hosts.update({name: recorded[name] for name in members if recorded.get(name, {}).get("group") == group})
        taken = {entry["index"] for entry in hosts.values() if entry["group"] == group}
        free = (index for index in itertools.count() if index not in taken)
        hosts.update({name: {"group": group, "index": next(free)} for name in members if name not in hosts})
    return dict(sorted(hosts.items()))

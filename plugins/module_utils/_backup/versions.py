# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The versions of a cluster, also in the middle of an update, when its hosts have different ones: which may have written its data, and which must read it."""

from __future__ import annotations

import re
import typing as t

from .._store.store import Store
from .._store.updates import reached, reached_in, read
from .._store.versions import Versions, recorded

__all__ = ("newest_versions", "oldest_versions")


def newest_versions(store: Store, etcd: str = "") -> Versions:
    """Return the versions of the hosts that are furthest, which may have written data that older versions cannot read.

    The member of etcd that made the snapshot has this version. The record does not know it yet if an update was killed.
    """
    found = [recorded(store), *(its["versions"] for its in reached(store.backend).values())]
    newest = max(found, key=lambda versions: [_numbers(versions.get(component)) for component in ("kubernetes", "etcd")])
    return {**newest, "etcd": max(newest["etcd"], etcd, key=_numbers)} if "etcd" in newest else newest


def oldest_versions(store: Store, hosts: t.Collection[str]) -> Versions:
    """Return the recorded versions, with those of etcd and Kubernetes that all members and all masters of the inventory have reached.

    A host that has left the cluster is still in the plan of an update.
    """
    now, update = recorded(store), read(store.backend)
    there = reached_in(update)

    def least(component: str, group: str) -> t.Any:
        names = {name for step in update.get("steps", ()) if step["group"] == group for batch in step["batches"] for name in batch} & set(hosts)
        found = [there.get(name, {"versions": now})["versions"].get(component) for name in names]
        return min(found, key=_numbers, default=now.get(component))

    return {**now, "kubernetes": least("kubernetes", "master"), "etcd": least("etcd", "etcd")} if there else now


def _numbers(version: str | None) -> list[int]:
    return [int(part) for part in re.findall("[0-9]+", version or "0")]

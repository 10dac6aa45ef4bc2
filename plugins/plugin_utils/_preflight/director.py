# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules that the director must keep, and those that tie the hosts to its store."""

from __future__ import annotations

import dataclasses
import typing as t

from .hosts import check_python
from .problems import Problem

__all__ = ("DirectorHost", "check_authorities", "check_director")

Facts = t.Mapping[str, t.Any]

_WAYS_OUT = (
    "the store that they are from (cluster_director, cluster_store_*), which has to come back, "
    "or, where their cluster is gone, a host without them (role preflight, Used hosts)"
)


@dataclasses.dataclass(frozen=True)
class DirectorHost:
    """The host that keeps the store: its facts, which for a director are few."""

    name: str
    facts: Facts


def check_director(director: DirectorHost) -> t.Iterator[Problem]:
    """Return what keeps the director from signing certificates."""
    if "error" in director.facts:
        yield Problem(director.name, director.facts["error"], "a director that Ansible reaches, with Python 3.9 or later and a store that it may read")
        return
    yield from check_python(director.name, director.facts)
    if not director.facts["cryptography"]:
        yield Problem(director.name, "a Python without the library cryptography", "a director that has it: Debian's python3-cryptography, or pip's")


def check_authorities(director: DirectorHost, hosts: t.Mapping[str, Facts]) -> t.Iterator[Problem]:
    """Return which hosts trust nobody whom the store knows.

    They are of another cluster, or the store is not the one that it was: with authorities of its own it would take them out of the
    cluster that they are in. While an authority is being replaced there are two, and one in common is enough.
    """
    if "error" in director.facts:
        return
    known = {fingerprint for fingerprints in director.facts["authorities"].values() for fingerprint in fingerprints}
    for name, facts in hosts.items():
        strange = [path for path, fingerprints in facts.get("authorities", {}).items() if fingerprints and known.isdisjoint(fingerprints)]
        if strange:
            store = f"the store {director.facts['store']} on {director.name}"
            missing = "does not have" if known else "does not have, as it has none yet"
            yield Problem(name, f"authorities in {', '.join(strange)} that {store} {missing}", _WAYS_OUT)

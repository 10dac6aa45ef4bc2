# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules for the director, and for the hosts that have certificates of its store."""

from __future__ import annotations

import dataclasses
import typing as t

from .hosts import check_python
from .problems import Problem

__all__ = ("DirectorHost", "check_authorities", "check_director", "check_restore")

Facts = t.Mapping[str, t.Any]

_WAYS_OUT = (
    "the store that issued them (cluster_director, cluster_store_*): restore it; "
    "or, if their cluster is gone, a host without them (README of role preflight, Used hosts)"
)


@dataclasses.dataclass(frozen=True)
class DirectorHost:
    """The host with the store, and its facts."""

    name: str
    facts: Facts


def check_director(director: DirectorHost) -> t.Iterator[Problem]:
    """Check that the director can sign certificates."""
    if "error" in director.facts:
        yield Problem(director.name, director.facts["error"], "a director that Ansible reaches, with Python 3.9 or later and a readable store")
        return
    yield from check_python(director.name, director.facts)
    if not director.facts["cryptography"]:
        python = director.facts["python"]
        yield Problem(
            director.name,
            f"no library cryptography in Python {director.facts['python_version']} ({python})",
            f"Debian's package python3-cryptography, or {python} -m pip install 'cryptography>=42'",
        )


def check_authorities(director: DirectorHost, hosts: t.Mapping[str, Facts]) -> t.Iterator[Problem]:
    """Check that each bundle on the hosts has a CA of the store.

    Otherwise the host belongs to another cluster, or the store was replaced, and new certificates would take the host out of its
    cluster. One CA in common is enough, because there are two while a CA is rotated.
    """
    if "error" in director.facts:
        return
    known = {fingerprint for fingerprints in director.facts["authorities"].values() for fingerprint in fingerprints}
    for name, facts in hosts.items():
        unknown = [path for path, fingerprints in facts.get("authorities", {}).items() if fingerprints and known.isdisjoint(fingerprints)]
        if unknown:
            store = f"the store {director.facts['store']} on {director.name}"
            missing = "does not have" if known else "does not have (it has none yet)"
            yield Problem(name, f"CAs in {', '.join(unknown)} that {store} {missing}", _WAYS_OUT)


def check_restore(director: DirectorHost) -> t.Iterator[Problem]:
    """Check that no restore is unfinished: members of etcd may have different data, and it discards what the cluster writes meanwhile."""
    restore = director.facts.get("restore")
    if restore:
        expected = f"a restore that has finished: run restore.yml again with -e restore={restore['id']} (docs/backup.md, Restore)"
        yield Problem(f"restore of {restore['id']}", f"phase {restore['phase']} since {restore['at']}", expected)

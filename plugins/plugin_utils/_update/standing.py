# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The versions that each host keeps in other playbooks while an update is not finished: pure functions of the record and of what hosts have installed."""

from __future__ import annotations

import typing as t

from .._catalog.catalog import load, record
from .plan import COMPONENTS
from .rules import numbers

__all__ = ("Member", "standing")

# Members of these groups share data, so a new one must be able to read what the others write.
_SHARING = {"etcd": "etcd", "master": "kube-apiserver"}

Versions = t.Mapping[str, str]
State = t.Mapping[str, t.Any]  # versions, and the minor that masters emulate


class Member(t.NamedTuple):
    """A host of the inventory."""

    group: str
    releases: Versions | None = None  # of the components that its symlinks point to; None: it is not known


def standing(
    hosts: t.Mapping[str, Member], now: Versions, reached: t.Mapping[str, State], following: t.Mapping[str, t.Sequence[State]]
) -> dict[str, State]:
    """Return the versions by host, of hosts that do not keep those of the cluster, and of new members of etcd and new masters.

    The record has a host when its batch is over. Until then, the symlinks tell: they are switched before any unit starts with the new versions, and a host
    that goes back has the former ones again.
    """
    if not reached and not following:
        return {}
    recorded: State = {"versions": record(now), "emulated": ""}
    found = dict(reached)
    for name, host in hosts.items():
        if its := _switched_to(host, reached.get(name, recorded), following.get(name, ())):
            found[name] = its
    for group, main in _SHARING.items():
        members = {name: host for name, host in hosts.items() if host.group == group}
        # Hosts that no plan has brought to a version: they have joined meanwhile, or a killed run has changed them.
        unrecorded = {name: host for name, host in members.items() if name not in reached and host.releases is not None}
        theirs = sorted((found[name] for name in members if name in found), key=_by_age(group))
        for name, host in unrecorded.items():
            same = [its for its in theirs if host.releases.get(main) == _components(group, its)[main]]
            if same and host.releases[main] != _components(group, recorded)[main]:
                found[name] = same[0]
        peers = {
            name: found.get(name, recorded) for name, host in members.items() if name in found or name in following or main in (host.releases or ())
        }
        for name, host in unrecorded.items():
            others = [its for other, its in peers.items() if other != name]
            if main not in host.releases and others:
                found[name] = min(others, key=_by_age(group))
    return found


def _switched_to(host: Member, before: State, candidates: t.Sequence[State]) -> State | None:
    """Return the candidate to which the symlinks of a host have been switched, the first one of several that fit equally well."""
    at, has = _components(host.group, before), host.releases or {}
    fits = [sum(has.get(name) == version != at[name] for name, version in _components(host.group, its).items()) for its in candidates]
    return candidates[fits.index(max(fits))] if any(fits) else None


def _components(group: str, its: State) -> dict[str, str]:
    components = load(its["versions"])["components"]
    return {name: components[name]["version"] for name in COMPONENTS[group]}


def _by_age(group: str) -> t.Callable[[State], tuple[tuple[int, ...], ...]]:
    """Return a key that orders states by the minor that a host serves, the oldest one first."""
    if group == "etcd":
        return lambda its: (numbers(its["versions"]["etcd"]),)
    return lambda its: (numbers(its["emulated"] or its["versions"]["kubernetes"])[:2], numbers(its["versions"]["kubernetes"]))

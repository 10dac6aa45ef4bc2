# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decide the next step that makes a host a member of etcd, from plain values.

A host without data never returns under its old member ID: a member that forgot its votes can lose entries that the others have
committed. It becomes a new member, which is a learner until it has all data.
"""

from __future__ import annotations

import typing as t

from .client import Etcd, EtcdError, explain
from .wal import Identity

__all__ = (
    "Member",
    "Seen",
    "Wanted",
    "actual_state",
    "bootstrap_environment",
    "check_removal",
    "decide",
    "desired_state",
    "entry",
    "healthy",
    "initial_cluster",
    "parse",
    "read",
    "reason",
    "steps",
)

# The steps that follow each step. After the last one, the host is a member.
FOLLOWS = {
    "bootstrap": [],
    "start": [],
    "settle": [],
    "update": [],
    "promote": [],
    "add": ["promote"],
    "remove": ["add", "promote"],
    "set_aside": ["add", "promote"],
}
# The steps of a host that is not a member.
STALE = ("bootstrap", "add", "remove", "set_aside")


class Member(t.NamedTuple):
    """One entry of the list of members. Before the member has started, it has no name and no client URLs."""

    id: int
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]
    learner: bool


class Wanted(t.NamedTuple):
    """The membership that the options of the module describe."""

    name: str
    members: dict[str, str]
    bootstrapped: bool

    @property
    def peer_url(self) -> str:
        """The URL by which the other members reach this one."""
        return self.members[self.name]


class Seen(t.NamedTuple):
    """The state of this host and of the cluster. The cluster ID is None if no member knows a leader."""

    identity: Identity | None
    bootstrap_file: bool
    active: bool
    cluster: int | None
    members: tuple[Member, ...]
    health: dict[str, str]


def parse(answer: dict[str, t.Any]) -> tuple[Member, ...]:
    """Return the members in an answer of etcd."""
    return tuple(
        Member(
            id=int(member["ID"]),
            name=member.get("name", ""),
            peer_urls=tuple(member.get("peerURLs", ())),
            client_urls=tuple(member.get("clientURLs", ())),
            learner=member.get("isLearner", False),
        )
        for member in answer["members"]
    )


def read(etcd: Etcd) -> tuple[int, tuple[Member, ...]]:
    """Return the cluster ID and the members, as the quorum knows them."""
    answer = etcd.call("/v3/cluster/member/list", {"linearizable": True})
    return int(answer["header"]["cluster_id"]), parse(answer)


def healthy(members: t.Iterable[Member], health: dict[str, str]) -> list[Member]:
    """Return the members that are healthy at one of their client URLs."""
    return [member for member in members if any(health.get(url) == "" for url in member.client_urls)]


def entry(wanted: Wanted, seen: Seen) -> Member | None:
    """Return the entry that the data of this host belongs to. Without data, return the entry with its name or peer URL."""
    for member in seen.members:
        if seen.identity and member.id == seen.identity.member:
            return member
    if seen.identity:
        return None
    return next((member for member in seen.members if member.name == wanted.name or wanted.peer_url in member.peer_urls), None)


def decide(wanted: Wanted, seen: Seen) -> str | None:
    """Return the next step, or None if the host is a member. Raise an error if no step is safe."""
    mine = entry(wanted, seen)
    if seen.identity:
        return _decide_with_data(wanted, seen, mine)
    if seen.cluster is None:
        if wanted.bootstrapped:
            raise EtcdError(
                f"{wanted.name} has no data, and the cluster, which was bootstrapped before, has no quorum: {explain(seen.health)}. "
                f"Bring {len(wanted.members) // 2 + 1} of its {len(wanted.members)} members back, or restore it from a backup."
            )
        return "bootstrap"
    if mine is None:
        return "add"
    if not wanted.bootstrapped and not mine.learner and not mine.client_urls:
        # The others have just bootstrapped the cluster with this member in its list, and the member has never run.
        return "bootstrap"
    _check_replacement(mine, seen)
    return "remove"


def _decide_with_data(wanted: Wanted, seen: Seen, mine: Member | None) -> str | None:
    if seen.cluster is not None and seen.identity.cluster != seen.cluster:
        raise EtcdError(
            f"{wanted.name} has data of cluster {seen.identity.cluster:x}, expected data of cluster {seen.cluster:x}, like the other members. "
            "Move the data away if its cluster is no longer needed"
        )
    if seen.cluster is not None and mine is None:
        return "set_aside"
    if seen.bootstrap_file:
        return "settle"
    if not seen.active:
        return "start"
    if mine and mine.peer_urls != (wanted.peer_url,):
        return "update"
    if mine and mine.learner:
        return "promote"
    return None


def _check_replacement(mine: Member, seen: Seen) -> None:
    """Refuse to replace a member that is healthy, or that the others need for a quorum."""
    for url in mine.client_urls:
        if seen.health.get(url) == "":
            raise EtcdError(f"{url}: is healthy, although the data directory of {mine.name} has no data. Check data_directory")
    check_removal(mine, seen.members, seen.health)


def check_removal(leaving: Member, members: t.Iterable[Member], health: dict[str, str]) -> None:
    """Refuse to remove a member if too few of the other voters are healthy for a quorum without it."""
    if leaving.learner:
        return
    staying = [member for member in members if member.id != leaving.id and not member.learner]
    count, needed = len(healthy(staying, health)), len(staying) // 2 + 1
    if count < needed:
        others = "; ".join(f"{_label(member)}: {reason(member, health)}" for member in staying) or "there is no other member"
        raise EtcdError(
            f"{_label(leaving)} cannot be removed: {count} of the {len(staying)} other members are healthy, {needed} are needed ({others})"
        )


def _label(member: Member) -> str:
    return member.name or f"{member.id:x}"


def reason(member: Member, health: dict[str, str]) -> str:
    if not member.client_urls:
        return "not started"
    return ", ".join(f"{url} {health.get(url, 'was not checked') or 'is healthy'}" for url in member.client_urls)


def steps(first: str | None) -> list[str]:
    """Return the next step and those that follow it, as far as they are known now."""
    return [first, *FOLLOWS[first]] if first else []


def actual_state(wanted: Wanted, seen: Seen, step: str | None) -> dict[str, t.Any]:
    """Return the actual state of this host for the diff."""
    mine = entry(wanted, seen)
    if step in STALE:
        return {**desired_state(wanted), "role": "none", "peer_urls": [], "running": False}
    return {
        "name": wanted.name,
        "role": "learner" if mine and mine.learner else "member",
        "peer_urls": list(mine.peer_urls) if mine else [wanted.peer_url],
        "running": seen.active,
        "bootstrap_file": "present" if seen.bootstrap_file else "absent",
    }


def desired_state(wanted: Wanted) -> dict[str, t.Any]:
    """Return the desired state of this host for the diff."""
    return {"name": wanted.name, "role": "member", "peer_urls": [wanted.peer_url], "running": True, "bootstrap_file": "absent"}


def bootstrap_environment(state: str, token: str, initial: t.Iterable[tuple[str, str]]) -> str:
    """Return the environment with which etcd bootstraps or joins a cluster."""
    cluster = ",".join(f"{name}={url}" for name, url in initial)
    return f"ETCD_INITIAL_CLUSTER={cluster}\nETCD_INITIAL_CLUSTER_STATE={state}\nETCD_INITIAL_CLUSTER_TOKEN={token}\n"


def initial_cluster(wanted: Wanted, members: t.Iterable[Member], own: int) -> list[tuple[str, str]]:
    """Return the name and peer URL of each member for one that joins. Members that have not started get their names from the options."""
    names = {url: name for name, url in wanted.members.items()}
    return [
        (wanted.name if member.id == own else member.name or names.get(url, f"{member.id:x}"), url)
        for member in members
        for url in member.peer_urls
    ]

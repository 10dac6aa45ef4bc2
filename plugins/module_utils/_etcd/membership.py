# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must be done so that a host is a member of etcd, decided on plain values.

A host without data never comes back under its old number: a member that forgot what it voted for can lose what others were
promised. It becomes a new member, which is a learner until it holds all data.
"""

from __future__ import annotations

import typing as t

from .client import Etcd, EtcdError, explain
from .wal import Identity

__all__ = (
    "Member",
    "Seen",
    "Wanted",
    "bootstrap",
    "check_removal",
    "decide",
    "entry",
    "healthy",
    "initial_cluster",
    "target",
    "parse",
    "read",
    "reason",
    "standing",
    "steps",
)

# What comes after each step; the last one leaves nothing to do.
FOLLOWS = {
    "found": [],
    "start": [],
    "settle": [],
    "update": [],
    "promote": [],
    "add": ["promote"],
    "remove": ["add", "promote"],
    "set_aside": ["add", "promote"],
}
# The steps that a host takes which is no member.
STALE = ("found", "add", "remove", "set_aside")


class Member(t.NamedTuple):
    """One entry of the list of members; it has no name and no client URLs before it has started."""

    id: int
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]
    learner: bool


class Wanted(t.NamedTuple):
    """What the module was asked for."""

    name: str
    members: dict[str, str]
    founded: bool

    @property
    def peer_url(self) -> str:
        """Where the other members reach this one."""
        return self.members[self.name]


class Seen(t.NamedTuple):
    """What was found: on this host, and in the cluster, whose number is None where no member knows a leader."""

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
    """Ask for the number of the cluster and its members, as the quorum knows them."""
    answer = etcd.call("/v3/cluster/member/list", {"linearizable": True})
    return int(answer["header"]["cluster_id"]), parse(answer)


def healthy(members: t.Iterable[Member], health: dict[str, str]) -> list[Member]:
    """Return the members that are healthy at one of their client URLs."""
    return [member for member in members if any(health.get(url) == "" for url in member.client_urls)]


def entry(wanted: Wanted, seen: Seen) -> Member | None:
    """Return this host's entry: the one that its data belongs to, or else one of its name or peer URL."""
    for member in seen.members:
        if seen.identity and member.id == seen.identity.member:
            return member
    if seen.identity:
        return None
    return next((member for member in seen.members if member.name == wanted.name or wanted.peer_url in member.peer_urls), None)


def decide(wanted: Wanted, seen: Seen) -> str | None:
    """Return the next step, or None where there is none, or raise an error where there is no safe one."""
    mine = entry(wanted, seen)
    if seen.identity:
        return _decide_with_data(wanted, seen, mine)
    if seen.cluster is None:
        if wanted.founded:
            raise EtcdError(
                f"{wanted.name} has no data, and the cluster, which was founded before, has no quorum: {explain(seen.health)}. "
                f"Bring {len(wanted.members) // 2 + 1} of its {len(wanted.members)} members back, or restore it from a backup."
            )
        return "found"
    if mine is None:
        return "add"
    if not wanted.founded and not mine.learner and not mine.client_urls:
        # The others have founded it a moment ago, and this member, in the list from the start, has never run.
        return "found"
    _check_replacement(mine, seen)
    return "remove"


def _decide_with_data(wanted: Wanted, seen: Seen, mine: Member | None) -> str | None:
    if seen.cluster is not None and seen.identity.cluster != seen.cluster:
        raise EtcdError(
            f"{wanted.name} has data of cluster {seen.identity.cluster:x}, but the other members are cluster {seen.cluster:x}; "
            "move its data away if that cluster is not wanted any more"
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
    """Refuse to replace a member that is alive, or one that the others need."""
    for url in mine.client_urls:
        if seen.health.get(url) == "":
            raise EtcdError(f"{url}: is healthy, although the data directory of {mine.name} has no data; is the directory right?")
    check_removal(mine, seen.members, seen.health)


def check_removal(leaving: Member, members: t.Iterable[Member], health: dict[str, str]) -> None:
    """Refuse to remove a member where too few of the other voters are healthy to be the quorum of those that stay."""
    if leaving.learner:
        return
    staying = [member for member in members if member.id != leaving.id and not member.learner]
    count, needed = len(healthy(staying, health)), len(staying) // 2 + 1
    if count < needed:
        others = "; ".join(f"{_label(member)}: {reason(member, health)}" for member in staying) or "there is no other one"
        raise EtcdError(
            f"{_label(leaving)} cannot be removed: {count} of the {len(staying)} other members are healthy, {needed} are needed ({others})"
        )


def _label(member: Member) -> str:
    return member.name or f"{member.id:x}"


def reason(member: Member, health: dict[str, str]) -> str:
    if not member.client_urls:
        return "not started"
    return ", ".join(f"{url} {health.get(url, 'was not asked') or 'is healthy'}" for url in member.client_urls)


def steps(first: str | None) -> list[str]:
    """Return all steps from the next one to the end, as far as can be told now."""
    return [first, *FOLLOWS[first]] if first else []


def standing(wanted: Wanted, seen: Seen, step: str | None) -> dict[str, t.Any]:
    """Return what this host is now, in the words of the diff."""
    mine = entry(wanted, seen)
    if step in STALE:
        return {**target(wanted), "role": "none", "peer_urls": [], "running": False}
    return {
        "name": wanted.name,
        "role": "learner" if mine and mine.learner else "member",
        "peer_urls": list(mine.peer_urls) if mine else [wanted.peer_url],
        "running": seen.active,
        "bootstrap_file": "present" if seen.bootstrap_file else "absent",
    }


def target(wanted: Wanted) -> dict[str, t.Any]:
    """Return what this host shall be, in the words of the diff."""
    return {"name": wanted.name, "role": "member", "peer_urls": [wanted.peer_url], "running": True, "bootstrap_file": "absent"}


def bootstrap(state: str, token: str, initial: t.Iterable[tuple[str, str]]) -> str:
    """Return the environment that etcd founds or joins a cluster with."""
    cluster = ",".join(f"{name}={url}" for name, url in initial)
    return f"ETCD_INITIAL_CLUSTER={cluster}\nETCD_INITIAL_CLUSTER_STATE={state}\nETCD_INITIAL_CLUSTER_TOKEN={token}\n"


def initial_cluster(wanted: Wanted, members: t.Iterable[Member], own: int) -> list[tuple[str, str]]:
    """Return all members by name and peer URL, as a joining one must be told; one that has not started has no name yet."""
    names = {url: name for name, url in wanted.members.items()}
    return [
        (wanted.name if member.id == own else member.name or names.get(url, f"{member.id:x}"), url)
        for member in members
        for url in member.peer_urls
    ]

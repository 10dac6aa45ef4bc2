# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Services that hold hosts and ports: who has one keeps it until it gives it up. Pure functions on plain values."""

from __future__ import annotations

import collections
import typing as t

from .claims import Claim
from .objects import Service
from .routes import Complaint

Key = t.Union[str, int]
# The holder of a key that several Services request after the record was lost: until only one of them does, nobody gets it.
NOBODY = ""
# Limits on the characters of all URIs, so that the record of the holders fits into one ConfigMap.
NAMESPACE_LENGTH, TOTAL_LENGTH = 64 * 1024, 512 * 1024
LOST = "found several Services that request it, but no record of the one that has it: withdraw all requests but one, or bind it to a namespace"
FULL = f"there is no room for it, expected at most {NAMESPACE_LENGTH} characters of hosts and paths in a namespace, and {TOTAL_LENGTH} in all"


class Holders(t.NamedTuple):
    """The UID of the Service that holds each key. If the record is lost, unknown keys may have had a holder."""

    of: t.Mapping[Key, str] = {}
    lost: bool = False

    def get(self, key: Key) -> str | None:
        return self.of.get(key, NOBODY if self.lost else None)


def inherit(holders: Holders, registered: t.Iterable[tuple[Key, int]], services: t.Iterable[Service]) -> Holders:
    """Add the holders of registered routes that the record does not have, because an earlier version registered them or it was lost.

    A node port belongs to one Service.
    """
    owners = {port.node_port: service.uid for service in services for port in service.ports}
    return holders._replace(of={**{key: owners[node_port] for key, node_port in registered if node_port in owners}, **holders.of})


class Assigned(t.NamedTuple):
    claims: dict[Key, Claim]
    holders: Holders
    complaints: list[Complaint]


def assign(claims: t.Sequence[Claim], holders: Holders) -> Assigned:
    """Give each key to its holder if that still requests it, otherwise to the first claim, in the order given, that can have a route."""
    given: dict[Key, Claim] = {}
    withheld: dict[Key, str] = {}
    complaints: list[Complaint] = []
    namespaces: dict[Key, set[str]] = collections.defaultdict(set)
    room: dict[str, int] = collections.defaultdict(lambda: NAMESPACE_LENGTH)
    room_in_all = TOTAL_LENGTH

    def give(claim: Claim) -> None:
        nonlocal room_in_all
        given[claim.key] = claim
        namespaces[claim.host].add(claim.service.namespace)
        room[claim.service.namespace] -= claim.length
        room_in_all -= claim.length

    for claim in claims:
        if holders.get(claim.key) == claim.service.uid:
            give(claim)
    contested = _contested(claims)
    for claim in claims:
        service, others = claim.service, namespaces[claim.host]
        if claim.key in given:
            if given[claim.key].service.uid != service.uid:
                complaints.append(Complaint(service, "RouteClash", f"{claim.title} belongs to Service {given[claim.key].service}"))
        elif claim.port is None:
            pass  # its complaint exists already
        elif others and service.namespace not in others:
            complaints.append(Complaint(service, "RouteClash", f"host {claim.host} belongs to namespace {', '.join(sorted(others))}"))
        elif holders.get(claim.key) == NOBODY and claim.key in contested:
            withheld[claim.key] = NOBODY
            complaints.append(Complaint(service, "RouteClash", f"{claim.title}: {LOST}"))
        elif claim.length > min(room[service.namespace], room_in_all):
            complaints.append(Complaint(service, "RouteLimit", f"{claim.title}: {FULL}"))
        else:
            give(claim)
    return Assigned(given, Holders({**withheld, **{key: claim.service.uid for key, claim in given.items()}}), complaints)


def _contested(claims: t.Iterable[Claim]) -> set[Key]:
    """Return the keys that several Services request, or whose host several namespaces request."""
    services: dict[Key, set[str]] = collections.defaultdict(set)
    namespaces: dict[Key, set[str]] = collections.defaultdict(set)
    for claim in claims:
        services[claim.key].add(claim.service.uid)
        namespaces[claim.host].add(claim.service.namespace)
    return {claim.key for claim in claims if len(services[claim.key]) > 1 or len(namespaces[claim.host]) > 1}

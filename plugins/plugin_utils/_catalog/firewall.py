# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ports that a firewall must open to a group of hosts, from catalog/ports.yml."""

from __future__ import annotations

import typing as t

from .ports import ports_of

__all__ = ("BALANCER", "openings")

BALANCER = "load balancer"

Values = t.Mapping[str, t.Any]


def openings(catalog: t.Iterable[Values], group: str, variables: Values, balanced: t.Collection[int] | None) -> list[dict[str, t.Any]]:
    """Return the ports that others connect to, each with one client.

    balanced: the ports that load balancers connect to, for traffic and health checks; None without load balancers. With them, users connect
    through load balancers only, and these to their ports only, not to a whole range.
    """
    found = []
    for entry in catalog:
        for port in ports_of([entry], [group], variables):
            if port.address.startswith("127."):
                continue
            for client in entry["clients"]:
                if client == BALANCER:
                    ranges = [(number, number) for number in sorted(set(balanced or ())) if port.first <= number <= port.last]
                elif client == "users" and balanced is not None:
                    ranges = []
                else:
                    ranges = [(port.first, port.last)]
                found += [
                    {"protocol": port.protocol, "first": first, "last": last, "client": client, "purpose": entry["purpose"]} for first, last in ranges
                ]
    return found

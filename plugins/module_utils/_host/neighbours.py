# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kernel still has of hosts that have left the overlay network.

For each other host, flanneld adds an entry to the forwarding table of its interface (MAC address and address of the host), a permanent neighbour
(gateway and MAC address) and a route (by the gateway). It deletes them when it sees the end of the host's lease. A flanneld that did not run or watch
at that moment never deletes them, because it starts with the leases that there are.
"""

from __future__ import annotations

import re
import typing as t

from .._command import run
from .._errors import HostError

__all__ = ("Neighbours", "forget", "read", "stale")

_FORWARDED = re.compile(r"^(\S+) dst (\S+) .*\bpermanent\b", re.MULTILINE)
_NEIGHBOUR = re.compile(r"^(\S+) lladdr (\S+) .*\bPERMANENT\b", re.MULTILINE)
_ROUTE = re.compile(r"^(\S+) via (\S+) ", re.MULTILINE)


class Neighbours(t.NamedTuple):
    """What the kernel has for an interface."""

    hosts: dict[str, str]  # addresses of hosts by MAC address
    gateways: dict[str, str]  # MAC addresses by gateway
    routes: dict[str, str]  # gateways by subnet


def read(interface: str) -> Neighbours:
    """Return what the kernel has; nothing if there is no such interface."""
    try:
        return Neighbours(
            dict(_FORWARDED.findall(run("bridge", "fdb", "show", "dev", interface))),
            dict(_NEIGHBOUR.findall(run("ip", "neighbour", "show", "dev", interface))),
            dict(_ROUTE.findall(run("ip", "route", "show", "dev", interface))),
        )
    except HostError:  # health reports a missing interface by itself
        return Neighbours({}, {}, {})


def stale(found: Neighbours, keep: t.Collection[str]) -> Neighbours:
    """Return what belongs to other hosts than these. The function is pure."""
    hosts = {mac: address for mac, address in found.hosts.items() if address not in keep}
    gateways = {gateway: mac for gateway, mac in found.gateways.items() if mac in hosts}
    return Neighbours(hosts, gateways, {subnet: gateway for subnet, gateway in found.routes.items() if gateway in gateways})


def forget(interface: str, wrong: Neighbours) -> None:
    """Delete it, the way to the hosts first."""
    for subnet, gateway in wrong.routes.items():
        run("ip", "route", "del", subnet, "via", gateway, "dev", interface)
    for gateway in wrong.gateways:
        run("ip", "neighbour", "del", gateway, "dev", interface)
    for mac, address in wrong.hosts.items():
        run("bridge", "fdb", "del", mac, "dev", interface, "dst", address)

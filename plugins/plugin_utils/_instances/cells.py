# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cells of a host's row, which the table and the page share."""

from __future__ import annotations

import typing as t

__all__ = ("COLUMNS", "cells", "duration", "failing", "rotations")

COLUMNS = ("instance", "name", "address", "zone", "state", "units", "etcd", "node", "load", "memory", "disk", "uptime", "certificates")
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))

Values = t.Mapping[str, t.Any]


def cells(name: str, host: Values) -> dict[str, str]:
    """Return the cells of one host by column. A cell is empty if its value is unknown or does not apply."""
    instance = f"{host['group']}/{host['index']}"
    known = {
        "instance": instance,
        # Hosts with the usual names need no second name.
        "name": "" if name == instance.replace("/", "-") else name,
        "address": host["address"],
        "zone": host["zone"],
        "state": host["state"],
        "node": _node(host["node"]),
    }
    if "units" not in host:
        return {column: known.get(column, "") for column in COLUMNS}
    reported = {
        "units": _units(host["units"]),
        "etcd": _etcd(host["etcd"]),
        "load": f"{host['load'][0]:.2f}",
        "memory": f"{host['memory']['used_percent']} %",
        "disk": f"{host['fullest_disk']['used_percent']} %" if host["fullest_disk"] else "",
        "uptime": duration(host["uptime"]),
        "certificates": f"{host['certificate_days_left']} d" if host["certificate_days_left"] is not None else "",
    }
    return {column: {**known, **reported}[column] for column in COLUMNS}


def failing(units: Values) -> list[str]:
    """Return the names of the units that are not healthy."""
    return [name for name, status in units.items() if not status["healthy"]]


def rotations(cluster: Values) -> list[str]:
    """Return a line for each CA, key or password whose rotation is in progress."""
    return [f"{one['name']} in phase {one['phase']} since {one['since']}: run rotate.yml again to continue" for one in cluster["rotations"]]


def duration(seconds: int) -> str:
    """Return a duration in its largest unit, or in two units if the first is small."""
    for (unit, size), (smaller, part) in zip(_UNITS, (*_UNITS[1:], ("", 1))):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            return f"{whole} {unit}" + (f" {rest // part} {smaller}" if whole < 10 and smaller and rest >= part else "")
    return "0 s"


def _units(units: Values) -> str:
    if not units:
        return ""
    unhealthy = failing(units)
    count = f"{len(units) - len(unhealthy)}/{len(units)}"
    return f"{count}, failing: {' '.join(unhealthy)}" if unhealthy else count


def _etcd(member: Values | None) -> str:
    if not member:
        return ""
    return f"{member['role']}, {member['db_mib']:g} MiB" if member["has_leader"] else "no leader"


def _node(node: Values | None) -> str:
    if not node:
        return ""
    return " ".join([node["condition"], *([] if node["schedulable"] else ["cordoned"]), *node["pressure"]])

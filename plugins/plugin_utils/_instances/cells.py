# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an overview says of each host, a few characters a cell; the table and the page say the same."""

from __future__ import annotations

import typing as t

__all__ = ("COLUMNS", "cells", "duration", "rotations")

COLUMNS = ("instance", "name", "address", "zone", "state", "services", "etcd", "node", "load", "memory", "disk", "uptime", "certificates")
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))

Values = t.Mapping[str, t.Any]


def cells(name: str, host: Values) -> dict[str, str]:
    """Return the cells of one host by column; what is not known, or does not apply, is empty."""
    instance = f"{host['group']}/{host['index']}"
    known = {
        "instance": instance,
        # The usual names would say it twice.
        "name": "" if name == instance.replace("/", "-") else name,
        "address": host["address"],
        "zone": host["zone"],
        "state": host["state"],
        "node": _node(host["node"]),
    }
    if "units" not in host:
        return {column: known.get(column, "") for column in COLUMNS}
    said = {
        "services": _services(host["services"]),
        "etcd": _etcd(host["etcd"]),
        "load": f"{host['load'][0]:.2f}",
        "memory": f"{host['memory']['used_percent']} %",
        "disk": f"{host['disk']['used_percent']} %" if host["disk"] else "",
        "uptime": duration(host["uptime"]),
        "certificates": f"{host['certificate_days_left']} d" if host["certificate_days_left"] is not None else "",
    }
    return {column: {**known, **said}[column] for column in COLUMNS}


def rotations(cluster: Values) -> list[str]:
    """Return a line for each authority, key or password that is being replaced."""
    return [f"{one['name']} in phase {one['phase']} since {one['since']}, goes on by running rotate.yml again" for one in cluster["rotations"]]


def duration(seconds: int) -> str:
    """Return a time in its largest unit; in two where the first is small."""
    for (unit, size), (smaller, part) in zip(_UNITS, (*_UNITS[1:], ("", 1))):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            return f"{whole} {unit}" + (f" {rest // part} {smaller}" if whole < 10 and smaller and rest >= part else "")
    return "0 s"


def _services(services: Values) -> str:
    if not services["total"]:
        return ""
    count = f"{services['total'] - len(services['failing'])}/{services['total']}"
    return f"{count}, not {' '.join(services['failing'])}" if services["failing"] else count


def _etcd(member: Values | None) -> str:
    if not member:
        return ""
    return f"{member['role']}, {member['db_mib']:g} MiB" if member["has_leader"] else "no leader"


def _node(node: Values | None) -> str:
    if not node:
        return ""
    return " ".join([node["condition"], *([] if node["schedulable"] else ["cordoned"]), *node["pressure"]])

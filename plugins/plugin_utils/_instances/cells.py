# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cells of a host's row, which the table and the page share."""

from __future__ import annotations

import typing as t

__all__ = ("COLUMNS", "backup", "cells", "differing", "duration", "failing", "rotations", "update", "versions")

COLUMNS = ("instance", "name", "address", "zone", "state", "version", "units", "etcd", "node", "load", "memory", "disk", "uptime", "certificates")
_MAIN = {"etcd": "etcd", "master": "kube-apiserver", "worker": "kubelet", "proxy": "kube-proxy"}  # the component whose version is that of a host
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
        "version": _version(host),
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


def backup(cluster: Values) -> str:
    """Return the newest verified backup, or "" if no backup has ever been tried."""
    its = cluster.get("backup")
    if not its:
        return ""
    if its["age_hours"] is None:
        return f"none is verified, last attempt {its['attempted_at']}"
    targets = sum(target.get("newest") == its["newest"]["id"] for target in its["targets"].values())
    where = f"at {targets} target{'' if targets == 1 else 's'}"
    return f"{its['newest']['id']}, {its['age_hours']:g} hours old, {its['newest']['size'] / 2**20:.1f} MiB, verified {where}"


def update(cluster: Values) -> str:
    """Return how far an update is, or "" if none is in progress."""
    its = cluster.get("update")
    if not its:
        return ""
    state = ", paused" if its["paused"] else ""
    lost = "".join(f"; {name}: {reason}" for name, reason in {**its["failed"], **its["blocked"]}.items())
    kind = "roll back" if its["rollback"] else "update"
    versions = f"kubernetes {its['from']['kubernetes']} to {its['to']['kubernetes']}"
    return f"{kind}, {versions}, phase {its['phase']}, {its['done']} of {its['changes']} done{state}, waiting: {', '.join(its['waiting']) or 'none'}{lost}"


def versions(cluster: Values) -> str:
    """Return the versions that the cluster is to have, or "" if the store does not tell them."""
    return ", ".join(f"{project} {version}" for project, version in cluster["versions"].items() if project != "catalog")


def differing(hosts: t.Mapping[str, Values]) -> list[str]:
    """Return a line for each host with other versions than those of the cluster."""
    lines = []
    for name, host in hosts.items():
        if others := host.get("other_releases"):
            told = ", ".join(f"{component} {host['releases'][component]}, expected {expected}" for component, expected in others.items())
            lines.append(f"{name} has {told}")
    return lines


def duration(seconds: int) -> str:
    """Return a duration in its largest unit, or in two units if the first is small."""
    for (unit, size), (smaller, part) in zip(_UNITS, (*_UNITS[1:], ("", 1))):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            return f"{whole} {unit}" + (f" {rest // part} {smaller}" if whole < 10 and smaller and rest >= part else "")
    return "0 s"


def _version(host: Values) -> str:
    version = host["releases"].get(_MAIN.get(host["group"], ""), "")
    others = len(host["other_releases"])
    return f"{version}, {others} {'differs' if others == 1 else 'differ'}" if others else version


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

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The health report of a cluster: the answers of its hosts, its API and its store, checked against the operator's limits."""

from __future__ import annotations

import dataclasses
import statistics
import typing as t

from .findings import (
    Finding, Limits, check_authorities, check_backup, check_endpoint, check_etcd_member, check_host, check_members, check_node, check_nodes, check_quorum,
    check_removals, check_restore, check_routes, check_store,
)  # fmt: skip
from .jobs import jobs_of

__all__ = ("Host", "report")

Values = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Host:
    """One host: its inventory values, and what module host_health returned for it."""

    group: str
    index: int
    address: str
    zone: str
    health: Values | None  # None if the operator has the host ignored
    removed: bool = False  # whether it leaves the cluster, or has left it


def report(
    hosts: t.Mapping[str, Host],
    api: Values,
    store: Values,
    limits: Limits,
    *,
    members: t.Mapping[str, str],
    workers: t.Collection[str],
    topology: str,
    addresses: t.Collection[str] = (),
    releases: t.Mapping[str, str],
) -> dict[str, t.Any]:
    """Return the report.

    The members, the workers and the addresses are those of all hosts that the cluster should have, also of those that are not among these hosts. The
    releases are the versions that components are to have, as far as they are known.
    """
    nodes = api.get("nodes")
    asked = {name: host.health for name, host in hosts.items() if host.health is not None and not host.removed}
    answered = {name: health for name, health in asked.items() if "error" not in health}
    etcd = _etcd({name: answered.get(name) for name in asked if hosts[name].group == "etcd"}, len(members))
    authorities, rotations = _authorities(answered), _rotations(store)
    findings = [
        *check_endpoint(api, limits),
        *check_quorum(etcd),
        *check_members({name: its["etcd"]["members"] for name, its in answered.items() if its["etcd"] and its["etcd"]["members"]}, members),
        *check_nodes(nodes or (), workers),
        *check_routes({name: its["routes"] for name, its in answered.items()}, addresses),
        *check_removals(store.get("removals", {}), hosts),
        *check_authorities(authorities, limits),
        *check_store(store, rotations, limits),
        *check_backup(store, limits),
        *check_restore(store),
    ]
    for name, health in asked.items():
        host = hosts[name]
        findings += check_host(name, host.address, jobs_of(host.group, topology), health, limits)
        findings += check_etcd_member(name, health, limits)
        if host.group == "worker" and nodes is not None:
            findings += check_node(name, nodes.get(host.address))
    return {
        "hosts": {name: _row(name, host, nodes, findings, releases) for name, host in hosts.items()},
        "cluster": {
            "endpoint": api["endpoint"],
            "etcd": etcd,
            "nodes": nodes,
            "authorities": authorities,
            "certificate": api.get("certificate"),
            "rotations": rotations,
            "versions": store.get("versions", {}),
            "update": store.get("unfinished_update", {}),
            "backup": store.get("backup", {}),
        },
        "findings": [dataclasses.asdict(finding) for finding in sorted(findings, key=lambda finding: finding.severity != "critical")],
    }


def _row(name: str, host: Host, nodes: Values | None, findings: t.Iterable[Finding], releases: Values) -> dict[str, t.Any]:
    """Return the report on one host."""
    health = host.health or {}
    known = {"group": host.group, "index": host.index, "address": host.address, "zone": host.zone}
    row = {**known, "state": _state(name, host, findings), "node": (nodes or {}).get(host.address) if host.group == "worker" else None}
    if "error" in health or not health:
        return {**row, "error": health.get("error") or ("it is in group ignored" if host.removed else None)}
    units = {unit: status for job in health["jobs"].values() for unit, status in job.items()}
    memory, disks = health["memory"], {path: disk for path, disk in health["disks"].items() if "error" not in disk}
    fullest = max(disks, key=lambda path: _fullness(disks[path]), default=None)
    days_left = [certificate["days_left"] for certificate in health["certificates"].values() if "days_left" in certificate]
    return {
        **row,
        "error": None,
        "units": units,
        "etcd": health["etcd"],
        "routes": health["routes"],
        "releases": health["releases"],
        "other_releases": {name: releases[name] for name, version in health["releases"].items() if releases.get(name, version) != version},
        "load": health["load"],
        "processors": health["processors"],
        "memory": {**memory, "used_percent": 100 - 100 * memory["available_mib"] // memory["total_mib"]},
        "disks": health["disks"],
        "fullest_disk": {"path": fullest, "used_percent": _fullness(disks[fullest])} if fullest else None,
        "uptime": health["uptime"],
        "boot_id": health["boot_id"],
        "clock_offset": health["clock_offset"],
        "certificates": health["certificates"],
        "certificate_days_left": min(days_left, default=None),
    }


def _state(name: str, host: Host, findings: t.Iterable[Finding]) -> str:
    if host.removed:
        return "removed"
    if host.health is None:
        return "ignored"
    if "error" in host.health and not host.health.get("invalid"):
        return "unreachable"
    return "failing" if any(finding.host == name and finding.severity == "critical" for finding in findings) else "healthy"


def _fullness(disk: Values) -> int:
    """Return the share of the space or of the inodes that is used, whichever is larger."""
    return max(disk["used_percent"], disk["inodes_used_percent"])


def _etcd(healths: t.Mapping[str, Values | None], voters: int) -> dict[str, t.Any]:
    """Return the state of etcd as its members report it."""
    members = {name: health["etcd"] for name, health in healths.items() if health and health["etcd"]}
    healthy = [name for name, member in members.items() if member["has_leader"] and member["role"] != "learner"]
    return {
        "voters": voters,
        "needed": voters // 2 + 1,
        "asked": len(healths),
        "healthy": len(healthy),
        "leader": next((name for name in healthy if members[name]["role"] == "leader"), None),
    }


def _authorities(answered: t.Mapping[str, Values]) -> list[dict[str, t.Any]]:
    """Return every CA that hosts trust, once, with the names of the hosts. The median of the days counts: a host may lie."""
    found: dict[tuple[str, str], dict[str, t.Any]] = {}
    for name, health in answered.items():
        for certificate in (certificate for bundle in health["bundles"].values() for certificate in bundle):
            if "error" not in certificate:
                key = (certificate["common_name"], certificate["not_after"])
                entry = found.setdefault(key, {**certificate, "days_left": [], "hosts": []})
                entry["days_left"].append(certificate["days_left"])
                if name not in entry["hosts"]:
                    entry["hosts"].append(name)
    return [{**entry, "days_left": statistics.median_high(entry["days_left"])} for entry in found.values()]


def _rotations(store: Values) -> list[dict[str, t.Any]]:
    """Return the rotations in progress."""
    return [
        {"name": entry["name"], "phase": entry["rotation"], "since": entry["created_at"], "days_in_phase": entry["age_days"]}
        for entry in store.get("credentials", [])
        if entry["rotation"]
    ]

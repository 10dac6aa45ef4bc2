# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The health rules of hosts and of the cluster. Each violation is a finding."""

from __future__ import annotations

import dataclasses
import typing as t

from ...module_utils._etcd.peers import strangers

__all__ = (
    "Finding", "Limits", "check_authorities", "check_backup", "check_endpoint", "check_etcd_member", "check_host", "check_members", "check_node", "check_nodes",
    "check_quorum", "check_removals", "check_restore", "check_routes", "check_store",
)  # fmt: skip

Values = t.Mapping[str, t.Any]

_KUBECONFIG = "cluster_health_kubeconfig"
# What to do about an alarm of etcd.
_ALARMS = {
    "NOSPACE": "no alarm: run etcd_defragment.yml, which frees space and clears it; until then, the API accepts no writes",
    "CORRUPT": "no alarm: replace the member whose data differ (docs/operations.md); until then, the cluster accepts no writes",
}
_SHOWN = 5  # differences of one job
_PROBLEM = 300  # characters of the reason why a backup failed


@dataclasses.dataclass(frozen=True)
class Limits:
    """The limits that the operator sets."""

    disk_percent: int
    memory_percent: int
    clock_skew: float
    certificate_expires_within_days: int
    rotation_days: int
    etcd_percent: int = 80
    backup_hours: int = 26
    backup_expected: bool = False


@dataclasses.dataclass(frozen=True)
class Finding:
    """One violation of a rule."""

    host: str | None  # None if the finding is about the whole cluster
    kind: str
    subject: str
    found: str
    expected: str
    severity: str = "critical"


def check_host(name: str, address: str, jobs: t.Iterable[str], health: Values, limits: Limits) -> t.Iterator[Finding]:
    """Check the health of a host, and that it has these jobs."""
    if health.get("invalid"):
        yield Finding(name, "answer", name, health["error"], "a valid answer of the module: Python may be broken, or tampered with")
        return
    if "error" in health:
        attempts = f" ({health['attempts']} attempts)" if health.get("attempts", 1) > 1 else ""
        yield Finding(name, "unreachable", address, f"{health['error']}{attempts}", "a host that Ansible reaches")
        return
    for job in jobs:
        if job not in health["jobs"]:
            yield Finding(name, "job", job, "not installed", "installed: run site.yml")
    yield from _check_units(name, health)
    yield from _check_drift(name, health)
    yield from _check_disks(name, health, limits)
    yield from _check_memory(name, health, limits)
    yield from _check_clock(name, health, limits)
    for path, certificate in health["certificates"].items():
        yield from _check_certificate(name, path, certificate, limits)
    # Bundles are read on every host; check_authorities reports a CA that expires once.
    for path, bundle in health["bundles"].items():
        for certificate in bundle:
            if "error" in certificate:
                yield Finding(name, "certificate", path, certificate["error"], "a bundle of CA certificates")


def check_etcd_member(name: str, health: Values, limits: Limits) -> t.Iterator[Finding]:
    """Check the etcd member of a host, apart from its unit: leader, alarms, vote, and the size of its database."""
    member = health.get("etcd")
    if not member:
        return
    if member["problem"]:
        remedy = next((remedy for alarm, remedy in _ALARMS.items() if alarm in member["problem"]), "a member with a leader and without alarms")
        yield Finding(name, "etcd", name, member["problem"], remedy)
    elif member["role"] == "learner":
        yield Finding(name, "etcd", name, "a learner", "a voting member: run site.yml")
    if member["quota_mib"] and member["db_mib"] > member["quota_mib"] * limits.etcd_percent / 100:
        found = f"a database of {member['db_mib']:.0f} MiB, {100 * member['db_mib'] / member['quota_mib']:.0f} % of its quota"
        expected = f"{limits.etcd_percent} % or less: {_remedy_of_size(member, limits)}"
        yield Finding(name, "etcd", "database", found, expected, "warning")


def _remedy_of_size(member: Values, limits: Limits) -> str:
    """Return what reduces the share of the quota: a smaller file, if free space takes a good part of it, or a larger quota."""
    if member["in_use_mib"] <= member["quota_mib"] * limits.etcd_percent / 200:
        return f"run etcd_defragment.yml, since only {member['in_use_mib']:.0f} MiB are in use"
    return f"{member['in_use_mib']:.0f} MiB are in use; delete objects and run etcd_defragment.yml, or raise etcd_quota_mib"


def check_members(told: t.Mapping[str, t.Sequence[Values]], hosts: t.Mapping[str, str]) -> t.Iterator[Finding]:
    """Check that the members of etcd are hosts of the inventory. The members are those that each host of etcd knows."""
    reporters: dict[str, list[str]] = {}
    for name, members in told.items():
        for stranger in strangers(members, hosts):
            reporters.setdefault(stranger, []).append(name)
    for stranger, names in reporters.items():
        expected = f"a host of group etcd: add it to the inventory, or run remove.yml -e remove={stranger.split(' ')[0]}"
        yield Finding(None, "member", stranger, f"a member of etcd that the inventory does not have, says {', '.join(names)}", expected, "warning")


def check_routes(told: t.Mapping[str, Values], addresses: t.Collection[str]) -> t.Iterator[Finding]:
    """Check that hosts send packets of pods, and HAProxies requests, only to hosts of the inventory. The routes are those that each host tells."""
    for kind, what, remedy in (
        ("overlay", "a route of the overlay network", "run remove.yml -e remove={address}"),
        ("backends", "a backend of HAProxy", "run site.yml"),
    ):
        reporters: dict[str, list[str]] = {}
        for name, routes in told.items():
            for address in routes[kind]:
                if address not in addresses:
                    reporters.setdefault(address, []).append(name)
        for address, names in sorted(reporters.items()):
            others = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            found = f"{what} that the inventory does not have, says {', '.join(names[:_SHOWN])}{others}"
            yield Finding(None, "route", address, found, f"a host of the cluster: add it to the inventory, or {remedy.format(address=address)}", "warning")


def check_removals(removals: t.Mapping[str, Values], listed: t.Collection[str]) -> t.Iterator[Finding]:
    """Check that no removal was left unfinished, and that the inventory has no host that was removed."""
    for name, entry in removals.items():
        if entry["state"] == "leaving":
            yield Finding(None, "removal", name, f"leaving since {entry['since']}", f"removed: run remove.yml -e remove={name}", "warning")
        elif name in listed:
            expected = f"no such host in the inventory: take it out, or let it join again with remove.yml -e remove_cancel={name}"
            yield Finding(None, "removal", name, f"removed on {entry['since']}", expected, "warning")


def check_quorum(etcd: Values) -> t.Iterator[Finding]:
    """Check that etcd can have a quorum, and that its members are an odd number. Members that were not asked may be healthy."""
    possible = etcd["healthy"] + etcd["voters"] - etcd["asked"]
    if etcd["voters"] and possible < etcd["needed"]:
        yield Finding(None, "etcd", "quorum", f"{etcd['healthy']} of {etcd['voters']} members healthy", f"{etcd['needed']} or more")
    if etcd["voters"] and etcd["voters"] % 2 == 0:
        yield Finding(None, "etcd", "members", f"{etcd['voters']} members", "an odd number: one member less survives as many failures", "warning")


def check_node(name: str, node: Values | None) -> t.Iterator[Finding]:
    """Check the Node object of a worker."""
    if node is None:
        yield Finding(name, "node", name, "no Node", "a Node named after the host's address")
        return
    if not node["ready"]:
        yield Finding(name, "node", name, f"{node['condition']}: {node['message']}".rstrip(": "), "Ready")
    if node["pressure"]:
        yield Finding(name, "node", name, ", ".join(node["pressure"]), "no pressure", "warning")


def check_nodes(nodes: t.Iterable[str], workers: t.Collection[str]) -> t.Iterator[Finding]:
    """Check that each Node is a worker of the inventory. The workers are given by address."""
    for node in sorted(set(nodes) - set(workers)):
        expected = f"a host of group worker: add it to the inventory, or run remove.yml -e remove={node}"
        yield Finding(None, "node", node, "a Node that the inventory does not have", expected, "warning")


def check_endpoint(api: Values, limits: Limits) -> t.Iterator[Finding]:
    """Check the endpoint, and the kubeconfig with which it is queried.

    A kubeconfig that does not work says nothing of the endpoint, so that nobody repairs load balancers for it.
    """
    endpoint, refusal = api["endpoint"], api.get("refusal")
    if refusal:
        yield Finding(None, "access", _KUBECONFIG, refusal, "a user who may list nodes: run site.yml")
    if endpoint["problem"] and (endpoint["url"] or not refusal):
        yield Finding(None, "endpoint", endpoint["url"] or "endpoint", endpoint["problem"], "an answer of the API")
    if api.get("certificate"):
        yield from _check_certificate(None, _KUBECONFIG, api["certificate"], limits)


def check_authorities(authorities: t.Iterable[Values], limits: Limits) -> t.Iterator[Finding]:
    """Check when CAs expire."""
    for authority in authorities:
        yield from _check_certificate(None, f"CA {authority['common_name']}", authority, limits, "rotate it")


def check_store(store: Values, rotations: t.Iterable[Values], limits: Limits) -> t.Iterator[Finding]:
    """Check that the store can be read, and that no rotation was left unfinished."""
    if store.get("failed"):
        yield Finding(None, "store", "store", store["msg"], "a readable store", "warning")
    for rotation in rotations:
        if rotation["days_in_phase"] >= limits.rotation_days:
            expected = f"fewer than {limits.rotation_days} days: run rotate.yml again to continue"
            yield Finding(None, "rotation", rotation["name"], f"in phase {rotation['phase']} since {rotation['since']}", expected, "warning")


def check_backup(store: Values, limits: Limits) -> t.Iterator[Finding]:
    """Check the newest backup and the targets, once a backup has been tried or is expected. They are warnings: the cluster itself works."""
    backup = store.get("backup")
    if backup is None or not limits.backup_hours:
        return
    if not backup:
        if limits.backup_expected:
            expected = "one, because backup_targets is set: run backup.yml, and set up its schedule"
            yield Finding(None, "backup", "newest", "no backup that was ever tried", expected, "warning")
        return
    newest, hours = backup["newest"], backup["age_hours"]
    if hours is None:
        yield Finding(None, "backup", "newest", "no verified backup", "one: run backup.yml", "warning")
    elif hours > limits.backup_hours:
        expected = f"{limits.backup_hours} hours or less: run backup.yml, and check its schedule"
        yield Finding(None, "backup", "newest", f"{newest['id']}, {hours:.0f} hours old", expected, "warning")
    failing = {name: target["problem"] for name, target in backup["targets"].items() if target["problem"]}
    for name, problem in failing.items():
        yield Finding(None, "backup", name, problem[:_PROBLEM], "a target that has the newest backup: repair it, and run backup.yml", "warning")
    if backup["problem"] and not any(problem in backup["problem"] for problem in failing.values()):
        yield Finding(None, "backup", f"attempt of {backup['attempted_at']}", backup["problem"][:_PROBLEM], "a verified backup: run backup.yml", "warning")


def check_restore(store: Values) -> t.Iterator[Finding]:
    """Check that no restore was interrupted. The cluster may serve data from before or after it meanwhile."""
    restore = store.get("restore")
    if restore:
        found = f"phase {restore['phase']} since {restore['at']}"
        yield Finding(None, "restore", restore["id"], found, "a restore that has finished: run restore.yml again with this backup", "warning")


def _check_units(name: str, health: Values) -> t.Iterator[Finding]:
    for unit, status in ((unit, status) for job in health["jobs"].values() for unit, status in job.items()):
        if not status["healthy"]:
            yield Finding(name, "unit", unit, status["problem"], "active and healthy")
        elif status["outdated"]:
            yield Finding(name, "unit", unit, "runs with an outdated configuration", "restarted or reloaded: run site.yml", "warning")


def _check_drift(name: str, health: Values) -> t.Iterator[Finding]:
    for job, differing in health["drift"].items():
        more = f", and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
        yield Finding(name, "drift", job, f"changed: {', '.join(differing[:_SHOWN])}{more}", "as site.yml left it: run site.yml", "warning")
    for chain in health["dropping_chains"]:
        expected = "policy accept, or a rule in this chain that accepts packets of pods"
        yield Finding(name, "forwarding", chain, "drops forwarded packets by its policy", expected, "warning")


def _check_disks(name: str, health: Values, limits: Limits) -> t.Iterator[Finding]:
    for path, disk in health["disks"].items():
        if "error" in disk:
            yield Finding(name, "disk", path, disk["error"], "a disk that responds")
            continue
        for key, resource in (("used_percent", "space"), ("inodes_used_percent", "inodes")):
            if disk[key] > limits.disk_percent:
                yield Finding(name, "disk", path, f"{disk[key]} % of the {resource} used", f"{limits.disk_percent} % or less", "warning")


def _check_memory(name: str, health: Values, limits: Limits) -> t.Iterator[Finding]:
    memory = health["memory"]
    used = 100 - 100 * memory["available_mib"] / memory["total_mib"]
    if used > limits.memory_percent:
        yield Finding(name, "memory", "memory", f"{used:.0f} % of {memory['total_mib']} MiB used", f"{limits.memory_percent} % or less", "warning")


def _check_clock(name: str, health: Values, limits: Limits) -> t.Iterator[Finding]:
    """Check the clock. The offset is an interval, as wide as the answer took; a clock is wrong only if the whole interval is out of the limit."""
    least, most = health["clock_offset"]
    if least > limits.clock_skew or most < -limits.clock_skew:
        found = f"{least:.1f} s ahead of" if least > 0 else f"{-most:.1f} s behind"
        yield Finding(name, "clock", "clock", f"{found} the controller's", f"{limits.clock_skew:g} s or less", "warning")


def _check_certificate(host: str | None, subject: str, certificate: Values, limits: Limits, remedy: str = "run site.yml") -> t.Iterator[Finding]:
    if "error" in certificate:
        yield Finding(host, "certificate", subject, certificate["error"], "a certificate")
        return
    days, least = certificate["days_left"], limits.certificate_expires_within_days
    if days < least:
        expired = days < 0
        found = f"expired on {certificate['not_after']}" if expired else f"{days} days left, until {certificate['not_after']}"
        yield Finding(host, "certificate", subject, found, f"{least} days or more: {remedy}", "critical" if expired else "warning")

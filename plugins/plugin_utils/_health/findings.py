# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules that the hosts of a cluster, and the cluster, must keep; what does not is a finding."""

from __future__ import annotations

import dataclasses
import typing as t

__all__ = ("JOBS", "Finding", "Limits", "of_authorities", "of_endpoint", "of_etcd", "of_host", "of_node", "of_quorum", "of_store")

Values = t.Mapping[str, t.Any]

# The jobs that site.yml gives the hosts of a group. A host that has lost its disk has none of them.
JOBS = {
    "etcd": ("dns", "etcd"),
    "master": ("dns", "flannel", "master"),
    "worker": ("dns", "flannel", "containerd", "kubelet", "kube-proxy"),
    "proxy": ("dns", "flannel", "kube-proxy", "proxy"),
}


@dataclasses.dataclass(frozen=True)
class Limits:
    """What the operator of a cluster may choose."""

    disk_percent: int
    memory_percent: int
    clock_skew: float
    certificate_days: int
    rotation_days: int


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is not as it must be."""

    host: str | None  # None where it is the whole cluster's
    kind: str
    subject: str
    found: str
    expected: str
    severity: str = "critical"


def of_host(name: str, group: str, address: str, health: Values, limits: Limits) -> t.Iterator[Finding]:
    """Find what is wrong with a host, by what it said."""
    if health.get("refused"):
        yield Finding(name, "answer", name, health["error"], "an answer that the module gives: somebody may have changed the host")
        return
    if "error" in health:
        times = f" (asked {health['asked']} times)" if health.get("asked", 1) > 1 else ""
        yield Finding(name, "unreachable", address, f"{health['error']}{times}", "an answer")
        return
    for job in JOBS.get(group, ()):
        if job not in health["jobs"]:
            yield Finding(name, "job", job, "not there", "there: run site.yml")
    yield from _units(name, health)
    yield from _disks(name, health, limits)
    yield from _memory(name, health, limits)
    yield from _clock(name, health, limits)
    for path, certificate in health["certificates"].items():
        yield from _certificate(name, path, certificate, limits)
    for path, bundle in health["authorities"].items():
        for certificate in bundle:
            if "error" in certificate:
                yield Finding(name, "certificate", path, certificate["error"], "certificates of authorities")


def of_etcd(name: str, health: Values) -> t.Iterator[Finding]:
    """Find what is wrong with a member of etcd, beside its unit: alarms, and that it is none yet."""
    member = health.get("etcd")
    if not member:
        return
    if member["problem"]:
        yield Finding(name, "etcd", name, member["problem"], "a member that knows the leader, without an alarm")
    elif member["role"] == "learner":
        yield Finding(name, "etcd", name, "a learner", "a member with a vote: run site.yml")


def of_quorum(etcd: Values) -> t.Iterator[Finding]:
    """Find that etcd has no quorum. Members that were not asked may be well."""
    possible = etcd["healthy"] + etcd["voters"] - etcd["asked"]
    if etcd["voters"] and possible < etcd["needed"]:
        yield Finding(None, "etcd", "quorum", f"{etcd['healthy']} of {etcd['voters']} members", f"{etcd['needed']} or more")


def of_node(name: str, node: Values | None) -> t.Iterator[Finding]:
    """Find what the API says is wrong with a worker's node."""
    if node is None:
        yield Finding(name, "node", name, "no Node", "a Node of its address")
        return
    if not node["ready"]:
        yield Finding(name, "node", name, f"{node['condition']}: {node['message']}".rstrip(": "), "Ready")
    if node["pressure"]:
        yield Finding(name, "node", name, ", ".join(node["pressure"]), "no pressure", "warning")


def of_endpoint(api: Values, limits: Limits) -> t.Iterator[Finding]:
    """Find what is wrong with the endpoint, and with the administrator's certificate."""
    endpoint = api["endpoint"]
    if endpoint["problem"]:
        yield Finding(None, "endpoint", endpoint["url"] or "endpoint", endpoint["problem"], "an answer of the API")
    if api.get("certificate"):
        yield from _certificate(None, "the administrator's, in the kubeconfig", api["certificate"], limits)


def of_authorities(authorities: t.Iterable[Values], limits: Limits) -> t.Iterator[Finding]:
    """Find the authorities that end soon, each once."""
    for authority in authorities:
        yield from _certificate(None, f"authority {authority['common_name']}", authority, limits, "rotate it")


def of_store(store: Values, rotations: t.Iterable[Values], limits: Limits) -> t.Iterator[Finding]:
    """Find that the store cannot be read, and what somebody has begun to replace and forgotten."""
    if store.get("failed"):
        yield Finding(None, "store", "store", store["msg"], "a store that can be read", "warning")
    for rotation in rotations:
        if rotation["days"] >= limits.rotation_days:
            expected = f"fewer than {limits.rotation_days} days: goes on by running rotate.yml again"
            yield Finding(None, "rotation", rotation["name"], f"in phase {rotation['phase']} since {rotation['since']}", expected, "warning")


def _units(name: str, health: Values) -> t.Iterator[Finding]:
    for unit, status in ((unit, status) for job in health["jobs"].values() for unit, status in job.items()):
        if not status["healthy"]:
            yield Finding(name, "unit", unit, status["problem"], "active and healthy")
        elif status["outdated"]:
            yield Finding(name, "unit", unit, "runs with its former configuration", "restarted or reloaded since: run site.yml", "warning")


def _disks(name: str, health: Values, limits: Limits) -> t.Iterator[Finding]:
    for path, disk in health["disks"].items():
        if "error" in disk:
            yield Finding(name, "disk", path, disk["error"], "a disk that answers")
            continue
        for what, of in (("used_percent", "of the space"), ("inodes_percent", "of the inodes")):
            if disk[what] > limits.disk_percent:
                yield Finding(name, "disk", path, f"{disk[what]} % {of} used", f"{limits.disk_percent} % or less", "warning")


def _memory(name: str, health: Values, limits: Limits) -> t.Iterator[Finding]:
    memory = health["memory"]
    used = 100 - 100 * memory["available_mib"] / memory["total_mib"]
    if used > limits.memory_percent:
        yield Finding(name, "memory", "memory", f"{used:.0f} % of {memory['total_mib']} MiB used", f"{limits.memory_percent} % or less", "warning")


def _clock(name: str, health: Values, limits: Limits) -> t.Iterator[Finding]:
    """Find a clock that is wrong for certain: how long the answer took is allowed for."""
    least, most = health["clock_offset"]
    if least > limits.clock_skew or most < -limits.clock_skew:
        found = f"{least:.1f} s ahead of" if least > 0 else f"{-most:.1f} s behind"
        yield Finding(name, "clock", "clock", f"{found} the controller's", f"{limits.clock_skew:g} s or less", "warning")


def _certificate(host: str | None, subject: str, certificate: Values, limits: Limits, cure: str = "run site.yml") -> t.Iterator[Finding]:
    if "error" in certificate:
        yield Finding(host, "certificate", subject, certificate["error"], "a certificate")
        return
    days = certificate["days_left"]
    if days < limits.certificate_days:
        severity = "warning" if days >= 0 else "critical"
        left = f"{days} days left" if days >= 0 else "ended"
        yield Finding(host, "certificate", subject, f"{left}, until {certificate['not_after']}", f"{limits.certificate_days} days or more: {cure}", severity)

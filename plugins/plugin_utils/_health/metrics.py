# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The health report of a cluster as metrics, in the text format of Prometheus."""

from __future__ import annotations

import collections
import datetime
import typing as t

__all__ = ("METRICS", "metrics", "run_metrics")

Values = t.Mapping[str, t.Any]
Sample = tuple[str, dict[str, str], float]

_MIB = 1024 * 1024
_STATES = ("healthy", "failing", "unreachable", "ignored", "removed")
# Each metric: its labels after the cluster, and its help. All are gauges.
METRICS: dict[str, tuple[tuple[str, ...], str]] = {
    "cfcr_health_timestamp_seconds": ((), "Time of the check, in seconds since 1970."),
    "cfcr_health_duration_seconds": ((), "Duration of the check."),
    "cfcr_health_findings": (("host", "kind", "severity"), "Findings of a kind; host is empty if they are about the whole cluster."),
    "cfcr_host_state": (("host", "group", "state"), "1 for the state of the host, 0 for the other states."),
    "cfcr_host_unhealthy_units": (("host", "group"), "Units of systemd that are not healthy."),
    "cfcr_host_memory_used_ratio": (("host", "group"), "Share of the memory that is used."),
    "cfcr_host_disk_used_ratio": (("host", "group", "path"), "Share of the file system that is used: space or inodes, whichever is larger."),
    "cfcr_certificate_expiry_timestamp_seconds": (("host", "path"), "Expiry of a certificate; host is empty for the kubeconfig of health."),
    "cfcr_authority_expiry_timestamp_seconds": (("common_name",), "Expiry of a CA certificate that hosts trust, the earliest of its name."),
    "cfcr_endpoint_up": ((), "1 if the endpoint of the API answers."),
    "cfcr_etcd_members": ((), "Members of etcd by the inventory."),
    "cfcr_etcd_healthy_members": ((), "Voting members of etcd that know a leader."),
    "cfcr_etcd_quorum_members": ((), "Members of etcd that a quorum needs."),
    "cfcr_etcd_member_is_leader": (("host",), "1 if the member is the leader."),
    "cfcr_etcd_database_bytes": (("host",), "Size of the database of a member."),
    "cfcr_etcd_database_in_use_bytes": (("host",), "Size of the database without its free pages."),
    "cfcr_etcd_quota_bytes": (("host",), "Quota of the database of a member."),
    "cfcr_node_ready": (("node",), "1 if the Node is Ready."),
    "cfcr_node_schedulable": (("node",), "1 if the Node accepts new pods."),
    "cfcr_rotation_phase_days": (("name", "phase"), "Days that a rotation has been in its phase."),
    "cfcr_run_timestamp_seconds": (("playbook",), "End of the last successful run of a playbook, in seconds since 1970."),
}


def metrics(report: Values, cluster: str, now: float) -> str:
    """Return the metrics of a report. A metric without samples is left out."""
    return _text(cluster, _samples(report, now))


def run_metrics(playbook: str, cluster: str, now: float) -> str:
    """Return the time of a successful run of a playbook."""
    return _text(cluster, [("cfcr_run_timestamp_seconds", {"playbook": playbook}, round(now))])


def _text(cluster: str, samples: t.Iterable[Sample]) -> str:
    found: dict[str, list[str]] = collections.defaultdict(list)
    for name, labels, value in samples:
        if tuple(labels) != METRICS[name][0]:
            raise AssertionError(f"{name} has other labels than its description: {tuple(labels)}")
        inner = ",".join(f'{label}="{_escaped(text)}"' for label, text in {"cluster": cluster, **labels}.items())
        found[name].append(f"{name}{{{inner}}} {value:.15g}")
    lines: list[str] = []
    for name, (_labels, text) in METRICS.items():
        if name in found:
            lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge", *found[name]]
    return "\n".join(lines) + "\n"


def _samples(report: Values, now: float) -> t.Iterator[Sample]:
    yield "cfcr_health_timestamp_seconds", {}, round(now)
    if report.get("seconds") is not None:
        yield "cfcr_health_duration_seconds", {}, report["seconds"]
    counts = collections.Counter((finding["host"] or "", finding["kind"], finding["severity"]) for finding in report["findings"])
    for (name, kind, severity), count in counts.items():
        yield "cfcr_health_findings", {"host": name, "kind": kind, "severity": severity}, count
    for name, host in report["hosts"].items():
        yield from _of_host(name, host)
    yield from _of_cluster(report["cluster"])


def _of_host(name: str, host: Values) -> t.Iterator[Sample]:
    labels = {"host": name, "group": host["group"]}
    for state in _STATES:
        yield "cfcr_host_state", {**labels, "state": state}, host["state"] == state
    if "units" not in host:
        return
    yield "cfcr_host_unhealthy_units", labels, sum(not unit["healthy"] for unit in host["units"].values())
    yield "cfcr_host_memory_used_ratio", labels, host["memory"]["used_percent"] / 100
    for path, disk in host["disks"].items():
        if "error" not in disk:
            yield "cfcr_host_disk_used_ratio", {**labels, "path": path}, max(disk["used_percent"], disk["inodes_used_percent"]) / 100
    for path, certificate in host["certificates"].items():
        if "error" not in certificate:
            yield "cfcr_certificate_expiry_timestamp_seconds", {"host": name, "path": path}, _seconds(certificate["not_after"])
    member = host["etcd"]
    if member:
        yield "cfcr_etcd_member_is_leader", {"host": name}, member["role"] == "leader"
        yield "cfcr_etcd_database_bytes", {"host": name}, round(member["db_mib"] * _MIB)
        yield "cfcr_etcd_database_in_use_bytes", {"host": name}, round(member["in_use_mib"] * _MIB)
        if member["quota_mib"]:
            yield "cfcr_etcd_quota_bytes", {"host": name}, round(member["quota_mib"] * _MIB)


def _of_cluster(cluster: Values) -> t.Iterator[Sample]:
    yield "cfcr_endpoint_up", {}, not cluster["endpoint"]["problem"]
    etcd = cluster["etcd"]
    if etcd["asked"] == etcd["voters"]:  # a check of some hosts says nothing of the others
        yield "cfcr_etcd_members", {}, etcd["voters"]
        yield "cfcr_etcd_healthy_members", {}, etcd["healthy"]
        yield "cfcr_etcd_quorum_members", {}, etcd["needed"]
    for name, node in (cluster["nodes"] or {}).items():
        yield "cfcr_node_ready", {"node": name}, bool(node["ready"])
        yield "cfcr_node_schedulable", {"node": name}, bool(node["schedulable"])
    kubeconfig = cluster["certificate"]
    if kubeconfig and "error" not in kubeconfig:
        yield "cfcr_certificate_expiry_timestamp_seconds", {"host": "", "path": "cluster_health_kubeconfig"}, _seconds(kubeconfig["not_after"])
    earliest: dict[str, float] = {}
    for authority in cluster["authorities"]:
        expiry, name = _seconds(authority["not_after"]), authority["common_name"]
        earliest[name] = min(expiry, earliest.get(name, expiry))
    for name, expiry in earliest.items():
        yield "cfcr_authority_expiry_timestamp_seconds", {"common_name": name}, expiry
    for rotation in cluster["rotations"]:
        yield "cfcr_rotation_phase_days", {"name": rotation["name"], "phase": rotation["phase"]}, rotation["days_in_phase"]


def _seconds(moment: str) -> float:
    return datetime.datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Health reports of clusters of any size, some of whose hosts have faults."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._instances.page import page

NOW = datetime.datetime(2026, 11, 29, 14, 0, tzinfo=datetime.timezone.utc)
UNITS = {
    "proxy": ["haproxy", "pdns", "pdns-recursor"],
    "master": ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "pdns"],
    "worker": ["containerd", "kubelet", "kube-proxy", "flannel", "pdns"],
    "etcd": ["etcd", "pdns"],
}
NODE = {"ready": True, "condition": "Ready", "message": "", "schedulable": True, "version": "v1.36.3", "pressure": []}


def certificate(name: str, days: int) -> dict[str, t.Any]:
    until = (NOW + datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"common_name": name, "issuer": "cfcr kubernetes", "not_after": until, "days_left": days}


def report(*, workers: int, faults: bool = True) -> dict[str, t.Any]:
    """Return the report of a cluster with one proxy, two masters, three members of etcd, and workers."""
    hosts, number = {}, 10
    for group, count in {"proxy": 1, "master": 2, "worker": workers, "etcd": 3}.items():
        for index in range(count):
            number += 1
            hosts[f"{group}-{index}"] = _host(group, index, f"10.0.{number // 250}.{number % 250}")
    findings = []
    if faults:
        silent = hosts["worker-1"]
        hosts["worker-1"] = {**{key: silent[key] for key in ("group", "index", "address", "zone", "node")}, "state": "unreachable", "error": "no route to host"}
        hosts["master-1"]["units"]["kube-scheduler"] = {"healthy": False}
        hosts["master-1"]["state"] = "failing"
        hosts["worker-0"]["certificates"]["/etc/kubernetes/pki/kubelet.crt"] = certificate("system:node:10.0.0.14", 21)
        hosts["worker-0"]["certificate_days_left"] = 21
        findings = [
            _finding("worker-1", "unreachable", silent["address"], "no route to host (2 attempts)", "a host that Ansible reaches"),
            _finding("master-1", "unit", "kube-scheduler", "https://127.0.0.1:10259/healthz: connection refused", "active and healthy"),
            _finding("worker-0", "certificate", "/etc/kubernetes/pki/kubelet.crt", "21 days left", "60 days or more: run site.yml", "warning"),
        ]
    return {
        "hosts": hosts,
        "cluster": {
            "endpoint": {"url": "https://10.0.0.91:8443", "problem": None, "seconds": 0.02},
            "etcd": {"voters": 3, "needed": 2, "asked": 3, "healthy": 3, "leader": "etcd-1"},
            "nodes": {"10.0.0.14": NODE},
            "authorities": [{**certificate(f"cfcr {name}", 3400), "hosts": []} for name in ("kubernetes", "etcd", "front-proxy")],
            "certificate": certificate("health", 301),
            "rotations": [],
            "versions": {"catalog": "1.36", "kubernetes": "1.36.3", "etcd": "3.6.16"},
        },
        "findings": findings,
        "seconds": 1.3,
    }


def sample_page(*, workers: int, faults: bool = True) -> str:
    """Return the page of a sample."""
    return page(report(workers=workers, faults=faults), {"name": "production", "topology": "proxy", "certificate_expires_within_days": 60}, NOW)


def _finding(host: str, kind: str, subject: str, found: str, expected: str, severity: str = "critical") -> dict[str, str]:
    return {"host": host, "kind": kind, "subject": subject, "found": found, "expected": expected, "severity": severity}


def _host(group: str, index: int, address: str) -> dict[str, t.Any]:
    member = {"role": "leader" if index == 1 else "follower", "member_id": f"8e9e05c52164694{index}", "db_mib": 24.5, "quota_mib": 2048, "problem": None}
    return {
        "group": group,
        "index": index,
        "address": address,
        "zone": f"z{index % 3 + 1}",
        "state": "healthy",
        "node": NODE if group == "worker" else None,
        "error": None,
        "units": {unit: {"healthy": True} for unit in UNITS[group]},
        "etcd": {**member, "has_leader": True, "in_use_mib": 12.0, "received": {}} if group == "etcd" else None,
        "releases": {"etcd": "3.6.16"} if group == "etcd" else {"kube-apiserver": "1.36.3", "kubelet": "1.36.3", "kube-proxy": "1.36.3"},
        "other_releases": {},
        "load": [0.42, 0.4, 0.3],
        "processors": 4,
        "memory": {"used_percent": 38 + index % 20},
        "fullest_disk": {"path": "/", "used_percent": 31},
        "uptime": 864000,
        "certificates": {f"/etc/kubernetes/pki/{name}.crt": certificate(name, 301 + 3 * index) for name in ("client", "server")},
        "certificate_days_left": 301,
    }

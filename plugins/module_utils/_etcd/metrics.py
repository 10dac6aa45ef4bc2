# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a member from its metrics on the loopback interface, which need neither a certificate nor a password."""

from __future__ import annotations

import http.client
import json
import re
import socket
import typing as t
import urllib.parse

__all__ = ("ask", "parse", "problem", "revision")

_SECONDS = 3
_SAMPLE = re.compile(r"^(etcd_[a-z_]+)(?:\{([^}]*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'="([^"]*)"')
_REVISION = re.compile(r"^etcd_debugging_mvcc_current_revision (\S+)$", re.MULTILINE)
_RECEIVED = "etcd_network_peer_received_bytes_total"


def ask(url: str) -> dict[str, t.Any]:
    """Return the state of the member, given the base URL of its metrics."""
    parts = urllib.parse.urlsplit(url)
    member = parse(_get(parts, "/metrics"))
    try:
        told = problem(_get(parts, "/health"))
    except OSError as error:  # it waits for a quorum
        told = f"its health: no answer within {_SECONDS} seconds" if isinstance(error, socket.timeout) else f"its health: {error}"
    return {**member, "problem": told}


def revision(url: str) -> int:
    """Return the revision that the member has, given the base URL of its metrics, 0 if it does not tell."""
    found = _REVISION.search(_get(urllib.parse.urlsplit(url), "/metrics"))
    return int(float(found[1])) if found else 0


def parse(metrics: str) -> dict[str, t.Any]:
    """Return the state of the member in its metrics."""
    values: dict[str, float] = {}
    labels: dict[str, str] = {}
    received: dict[str, int] = {}
    for name, label, value in _SAMPLE.findall(metrics):
        values[name] = float(value)
        labels[name] = "".join(_LABEL.findall(label)[:1])
        if name == _RECEIVED:
            received[labels[name]] = int(float(value))
    role = "learner" if values.get("etcd_server_is_learner") else "leader" if values.get("etcd_server_is_leader") else "follower"
    return {
        "role": role,
        "member_id": labels.get("etcd_server_id", ""),
        "has_leader": bool(values.get("etcd_server_has_leader")),
        "db_mib": round(values.get("etcd_mvcc_db_total_size_in_bytes", 0) / 1024 / 1024, 1),
        "in_use_mib": round(values.get("etcd_mvcc_db_total_size_in_use_in_bytes", 0) / 1024 / 1024, 1),
        "quota_mib": round(values.get("etcd_server_quota_backend_bytes", 0) / 1024 / 1024),
        # Every heartbeat of a member counts. etcd_network_active_peers does not tell: a member that hangs keeps its connections.
        "received": received,
    }


def problem(answer: str) -> str | None:
    """Return the reason, alarms included, why the member reports itself as unhealthy, or None."""
    try:
        told = json.loads(answer)
    except ValueError:
        return answer.strip()[:200] or "no answer"
    return None if told.get("health") == "true" else str(told.get("reason") or told)


def _get(url: urllib.parse.SplitResult, path: str) -> str:
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode(errors="replace")
    finally:
        connection.close()

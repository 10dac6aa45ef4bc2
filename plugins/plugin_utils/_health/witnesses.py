# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The second witness of a host that SSH does not reach: something else that says whether the host works. All of it is plain values."""

from __future__ import annotations

import dataclasses
import typing as t

__all__ = ("ABSENT", "RUNNING", "STOPPED", "Evidence", "Verdict", "hear")

Values = t.Mapping[str, t.Any]

# States of a host that a provider tells.
RUNNING, STOPPED, ABSENT = "running", "stopped", "absent"
# A kubelet that restarts, and a host that boots, are NotReady for a moment. If the kubelet is silent, the API waits longer than that by itself.
_MOMENT_SECONDS = 30
_SERVERS = {"master": "API server", "proxy": "HAProxy"}


@dataclasses.dataclass(frozen=True)
class Evidence:
    """The answers of the witnesses that were asked because hosts are unreachable."""

    provider: t.Mapping[str, str] = dataclasses.field(default_factory=dict)  # states by host, none if the provider did not answer
    nodes: Values | None = None  # by address, None if the API did not answer
    members: t.Mapping[str, Values] = dataclasses.field(default_factory=dict)  # of etcd, after those of the report
    probes: t.Mapping[str, str | None] = dataclasses.field(default_factory=dict)  # why the API server or HAProxy of a host does not answer
    operator: t.Collection[str] = ()  # hosts that an operator wants recreated


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The statements of the witnesses on one host: why it counts as down, why it may work, and why the next run must ask again."""

    down: str = ""
    works: str = ""
    wait: str = ""
    state: str = ""  # as the provider tells it


def hear(name: str, report: Values, evidence: Evidence) -> Verdict:
    """Return what the witnesses say on a host of a health report.

    One that says that the host is down is enough, since Nodes and peers notice it later than others.
    """
    # A provider that has none of the hosts was asked in the wrong place. One that says that a host runs does not know whether it works.
    state = evidence.provider.get(name, "") if set(evidence.provider.values()) - {ABSENT} else ""
    verdict = dataclasses.replace(_service(name, report, evidence), state=state)
    if name in evidence.operator:
        return dataclasses.replace(verdict, down="an operator wants it")
    if state in (STOPPED, ABSENT):
        return dataclasses.replace(verdict, down=f"its provider says that it is {state}")
    return verdict


def _service(name: str, report: Values, evidence: Evidence) -> Verdict:
    """Return what is said by those that use the services of the host."""
    host = report["hosts"][name]
    group = host["group"]
    if group == "worker" and evidence.nodes is not None:
        return _node(evidence.nodes.get(host["address"]))
    if group == "etcd":
        return _peers(report, evidence.members)
    if name in evidence.probes:
        problem = evidence.probes[name]
        server = _SERVERS[group]
        return Verdict(works=f"its {server} answers") if problem is None else Verdict(down=f"its {server} does not answer ({problem})")
    return Verdict()


def _peers(report: Values, members: t.Mapping[str, Values]) -> Verdict:
    """Compare what members have received by now with the report. The leader receives messages of all of them, and others only those of the leader.

    Members know each other by ID, and only one that answers says which ID it has. So all that do not answer are active, or none is, or it is unknown.
    """
    before = {name: host["etcd"] for name, host in report["hosts"].items() if host.get("etcd")}
    both = [(before[name], now) for name, now in members.items() if name in before]
    heard = {peer for then, now in both for peer, count in now["received"].items() if count != then["received"].get(peer, 0)}
    active = heard - {"0", *(member["member_id"] for pair in both for member in pair)}  # 0: the connections themselves
    if both and len(active) >= report["cluster"]["etcd"]["voters"] - len(both):
        return Verdict(works="other members receive messages of its etcd member")
    if not active and any(then["role"] == now["role"] == "leader" for then, now in both):
        return Verdict(down="the leader of etcd receives no message of its member")
    return Verdict()


def _node(node: Values | None) -> Verdict:
    if node is None:
        return Verdict(down="it has no Node")
    if node["ready"]:
        return Verdict(works="its Node is Ready")
    if node["condition"] == "NotReady" and node["seconds"] < _MOMENT_SECONDS:
        return Verdict(wait=f"its Node is NotReady since {node['seconds']} s, expected {_MOMENT_SECONDS} s or more before it is recreated")
    return Verdict(down=f"its Node is {node['condition']} for {node['seconds']} s")

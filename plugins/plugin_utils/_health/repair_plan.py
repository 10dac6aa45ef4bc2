# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must be done so that a cluster is well again, decided on plain values: a report of its health in, a plan out."""

from __future__ import annotations

import dataclasses
import typing as t

__all__ = ("Policy", "plan", "text")

Values = t.Mapping[str, t.Any]

# What kubelet did not do, or was not heard of doing: it registers its node when it starts.
_KUBELET = "kubelet"
# What only people can put right.
_FOR_PEOPLE = ("answer", "disk", "memory", "clock")
_NO_QUORUM = "etcd has no quorum, and with this host's disk a vote would be lost for good: bring members back, or restore a backup"


@dataclasses.dataclass(frozen=True)
class Policy:
    """What the operator chooses, and whether the provider can make hosts."""

    meltdown_share: float
    meltdown_minimum: int
    makes_hosts: bool
    balances: bool = False  # whether the endpoint is a load balancer that the provider makes


class _Plan:
    """A plan in the making: what is done with each host, at most one thing, and what is left alone."""

    def __init__(self) -> None:
        self.recreate: list[str] = []
        self.start: list[str] = []
        self.restart: dict[str, list[str]] = {}
        self.configure: list[str] = []
        self.left_alone: dict[str, str] = {}
        self.waiting: dict[str, str] = {}

    def as_values(self, meltdown: Values | None = None, load_balancers: bool = False) -> dict[str, t.Any]:
        """Return the plan as plain values."""
        acts = bool(self.recreate or self.start or self.restart or self.configure or load_balancers)
        return {
            "meltdown": meltdown,
            "recreate": self.recreate,
            "start": self.start,
            "restart": self.restart,
            "configure": self.configure,
            "load_balancers": load_balancers,
            "waiting": self.waiting,
            "left_alone": self.left_alone,
            "acts": acts,
        }


def plan(report: Values, policy: Policy) -> dict[str, t.Any]:
    """Return what is to be done: nothing at all in a meltdown."""
    made = _Plan()
    hosts = report["hosts"]
    made.waiting = {name: "ignored by the operator" for name, host in hosts.items() if host["state"] == "ignored"}
    meltdown = _meltdown(hosts, policy)
    if meltdown:
        return made.as_values(meltdown)
    _bring_hosts_back(made, hosts, _has_quorum(report), policy)
    _put_right(made, hosts, report["findings"], _foundations(report))
    return made.as_values(load_balancers=_cluster_wide(made, report["findings"], policy))


def _meltdown(hosts: Values, policy: Policy) -> dict[str, t.Any] | None:
    """Return how many hosts are down where they are too many: more likely it is the network, or us, and to make them all anew loses all."""
    asked = [name for name, host in hosts.items() if host["state"] != "ignored"]
    down = [name for name in asked if hosts[name]["state"] == "unreachable"]
    if len(down) < policy.meltdown_minimum or len(down) <= policy.meltdown_share * len(asked):
        return None
    return {"down": down, "hosts": len(asked), "share": policy.meltdown_share, "minimum": policy.meltdown_minimum}


def _bring_hosts_back(made: _Plan, hosts: Values, quorum: bool, policy: Policy) -> None:
    """Have hosts that do not answer made anew; of etcd's one at a time, and none where that would lose data."""
    for name, host in hosts.items():
        if host["state"] != "unreachable":
            continue
        replaced = [other for other in made.recreate if hosts[other]["group"] == "etcd"]
        if host["group"] == "director":
            made.left_alone[name] = "the director has the store: bring it back yourself, or restore it from a backup"
        elif not policy.makes_hosts:
            made.left_alone[name] = "does not answer, and no provider makes hosts here: bring it back yourself"
        elif host["group"] == "etcd" and not quorum:
            made.start.append(name)
            made.left_alone[name] = _NO_QUORUM
        elif host["group"] == "etcd" and replaced:
            made.waiting[name] = f"after {replaced[0]}: members of etcd are replaced one at a time"
        else:
            made.recreate.append(name)


def _put_right(made: _Plan, hosts: Values, findings: t.Iterable[Values], foundations: t.Mapping[str, str]) -> None:
    """Have units restarted, and site.yml do the rest; what stands on something that is broken waits for that."""
    for finding in findings:
        name, kind = finding["host"], finding["kind"]
        if name is None or hosts[name]["state"] in ("unreachable", "ignored"):
            continue
        if hosts[name].get("error") and kind != "answer":
            continue  # its answer was refused, so nothing is known of it
        missing = foundations.get(hosts[name]["group"])
        if kind in ("certificate", "job") or (kind == "unit" and finding["severity"] == "warning"):
            _add(made.configure, name)
        elif finding["severity"] == "warning":
            continue
        elif kind in _FOR_PEOPLE:
            made.left_alone[name] = _told(finding)
        elif missing:
            made.waiting[name] = missing
        elif kind == "unit":
            _add(made.restart.setdefault(name, []), finding["subject"])
        elif kind == "node" and _KUBELET in hosts[name]["units"]:
            _add(made.restart.setdefault(name, []), _KUBELET)
        elif kind == "node":
            _add(made.configure, name)
        elif kind == "etcd" and finding["found"] == "a learner":
            _add(made.configure, name)
        else:
            made.left_alone.setdefault(name, _told(finding))
    for name in made.restart:
        made.left_alone.pop(name, None)


def _foundations(report: Values) -> dict[str, str]:
    """Return by group what it needs and what is not there: to restart what stands on that is in vain."""
    masters = [host["state"] for host in report["hosts"].values() if host["group"] == "master"]
    api = "no master is well" if masters and not set(masters) & {"healthy", "ignored"} else ""
    etcd = "" if _has_quorum(report) else "etcd has no quorum"
    needed = {"master": etcd, "worker": etcd or api, "proxy": etcd or api}
    return {group: f"waits, since {missing}" for group, missing in needed.items() if missing}


def _has_quorum(report: Values) -> bool:
    """Say whether enough members of etcd are well; those that nobody asked may be."""
    etcd = report["cluster"]["etcd"]
    return etcd["healthy"] + etcd["voters"] - etcd["asked"] >= etcd["needed"]


def _cluster_wide(made: _Plan, findings: t.Iterable[Values], policy: Policy) -> bool:
    """Say whether the load balancers are to be looked after, and note what nobody here can help."""
    load_balancers = False
    for finding in (finding for finding in findings if finding["host"] is None and finding["severity"] == "critical"):
        if finding["kind"] == "endpoint" and policy.balances:
            load_balancers = True
        elif finding["kind"] == "certificate":
            made.left_alone["the cluster"] = _told(finding)
        elif not made.as_values()["acts"]:
            made.left_alone.setdefault("the cluster", _told(finding))
    return load_balancers


def _told(finding: Values) -> str:
    return f"{finding['kind']} {finding['subject']}: found {finding['found']}, expected {finding['expected']}"


def _add(names: list[str], name: str) -> None:
    if name not in names:
        names.append(name)


def text(made: Values) -> str:
    """Return the plan for people."""
    if made["meltdown"]:
        melting = made["meltdown"]
        return (
            f"Meltdown: {len(melting['down'])} of {melting['hosts']} hosts do not answer ({', '.join(melting['down'])}), more than a share of "
            f"{melting['share']:g} and no fewer than {melting['minimum']}. Nothing is done: look at the network first, the controller's included."
        )
    lines = [f"{name}: made anew, or started where it only stands still; then configured" for name in made["recreate"]]
    lines += [f"{name}: started, if it only stands still" for name in made["start"]]
    lines += [f"{name}: {', '.join(units)} restarted" for name, units in made["restart"].items()]
    lines += [f"{name}: configured" for name in made["configure"] if name not in made["restart"]]
    lines += ["the load balancers: looked after"] if made["load_balancers"] else []
    lines += [f"{name}: {why}" for name, why in made["waiting"].items()]
    lines += [f"{name}: left alone; {why}" for name, why in made["left_alone"].items()]
    return "\n".join(lines) or "Nothing to repair."

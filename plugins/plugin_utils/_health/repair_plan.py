# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The repair plan of a cluster, made from its health report. Both are plain values."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ...module_utils._store.recreations import SECONDS, recent
from ...module_utils._timestamp import to_timestamp
from . import witnesses
from .witnesses import Evidence, Verdict

__all__ = ("Evidence", "Policy", "Record", "plan", "text")

Values = t.Mapping[str, t.Any]

# The kubelet registers its node when it starts.
_KUBELET = "kubelet"
# Kinds of findings that need an operator.
_MANUAL = ("answer", "disk", "memory", "clock")
# Groups in the order in which hosts are recreated if there is a limit: the others depend on the first ones.
_ORDER = ("etcd", "master", "proxy", "worker")
# Why hosts in these states are not repaired.
_LEFT_ALONE = {"ignored": "ignored by the operator", "removed": "leaves the cluster, or has left it (remove.yml)"}
_SHOWN = 5  # volumes
_NO_QUORUM = "etcd has no quorum, and a recreated host would lose this member's vote for good: bring members back, or restore a backup"


@dataclasses.dataclass(frozen=True)
class Policy:
    """The limits that the operator sets, and what the provider can create."""

    meltdown_share: float
    meltdown_minimum: int
    creates_hosts: bool
    creates_load_balancers: bool = False
    recreations_per_hour: int = 2


@dataclasses.dataclass(frozen=True)
class Record:
    """The recreations of the last hour by the director's clock, or why they are unknown."""

    recreations: t.Sequence[Values] = ()
    now: float = 0.0
    problem: str | None = None


class _Plan:
    """A plan under construction."""

    def __init__(self) -> None:
        self.recreate: list[str] = []
        self.start: list[str] = []
        self.restart: dict[str, list[str]] = {}
        self.configure: list[str] = []
        self.manual: dict[str, str] = {}
        self.waiting: dict[str, str] = {}
        self.witnesses: dict[str, str] = {}
        self.losses: dict[str, str] = {}

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
            "manual": self.manual,
            "witnesses": self.witnesses,
            "losses": self.losses,
            "acts": acts,
        }


def plan(
    report: Values,
    policy: Policy,
    evidence: Evidence = Evidence(),
    record: Record = Record(),
    volumes: t.Mapping[str, t.Sequence[str]] | None = None,
) -> dict[str, t.Any]:
    """Return the plan. In a meltdown, and while a restore is unfinished, it has no action.

    The volumes are those on the disks of nodes by address, None if the API did not tell.
    """
    made = _Plan()
    hosts = report["hosts"]
    made.waiting = {name: _LEFT_ALONE[host["state"]] for name, host in hosts.items() if host["state"] in _LEFT_ALONE}
    restore = next((finding for finding in report["findings"] if finding["kind"] == "restore"), None)
    if restore:
        # Members that still have the former data would accept writes, which the restore discards when it goes on.
        made.manual["the cluster"] = _details(restore)
        return made.as_values()
    meltdown = _meltdown(hosts, policy)
    if meltdown:
        return made.as_values(meltdown)
    _plan_hosts(made, report, policy, evidence, record)
    made.losses = {name: _losses(hosts[name], volumes) for name in made.recreate if hosts[name]["group"] in ("etcd", "worker")}
    made.losses = {name: lost for name, lost in made.losses.items() if lost}
    _plan_units(made, hosts, report["findings"], _broken_dependencies(report))
    return made.as_values(load_balancers=_plan_cluster(made, report["findings"], policy))


def _meltdown(hosts: Values, policy: Policy) -> dict[str, t.Any] | None:
    """Return the hosts that are down if they are too many: probably the network or the controller fails, and recreated hosts would lose all data."""
    asked = [name for name, host in hosts.items() if host["state"] not in _LEFT_ALONE]
    down = [name for name in asked if hosts[name]["state"] == "unreachable"]
    if len(down) < policy.meltdown_minimum or len(down) <= policy.meltdown_share * len(asked):
        return None
    return {"down": down, "hosts": len(asked), "share": policy.meltdown_share, "minimum": policy.meltdown_minimum}


def _plan_hosts(made: _Plan, report: Values, policy: Policy, evidence: Evidence, record: Record) -> None:
    """Start or recreate unreachable hosts if a second witness agrees, those first on which others depend."""
    hosts, quorum = report["hosts"], _has_quorum(report)
    for name in evidence.operator:
        if not _is_silent(name, hosts[name], evidence):
            made.waiting.setdefault(name, "is not recreated as option repair_recreate says, because it answers")
    silent = [name for name, host in hosts.items() if _is_silent(name, host, evidence)]
    for name in sorted(silent, key=lambda name: _rank(hosts[name]["group"])):
        host = hosts[name]
        if host["group"] == "director":
            made.manual[name] = "the director has the store: bring the host back, or restore the store from a backup"
            continue
        verdict = witnesses.hear(name, report, evidence)
        if not verdict.down:
            _leave(made, name, host, verdict, policy)
        elif not policy.creates_hosts:
            made.manual[name] = _no_provider(host)
        elif verdict.state == witnesses.STOPPED:
            made.start.append(name)
            made.witnesses[name] = verdict.down
        else:
            _recreate(made, name, hosts, quorum, verdict, policy, record)


def _is_silent(name: str, host: Values, evidence: Evidence) -> bool:
    """Tell whether a host is unreachable, or gives no valid answer and an operator wants it recreated."""
    return host["state"] == "unreachable" or (name in evidence.operator and host["state"] == "failing" and bool(host.get("error")))


def _no_provider(host: Values) -> str:
    return f"{host.get('error') or 'no answer'}, and no provider can recreate the host: bring it back"


def _leave(made: _Plan, name: str, host: Values, verdict: Verdict, policy: Policy) -> None:
    """Say why a host that SSH does not reach is left alone."""
    silent = f"not reachable by SSH ({host.get('error') or 'no answer'})"
    force = f"; to recreate it nevertheless, run repair with -e repair_recreate={name}" if policy.creates_hosts else ""
    if verdict.works:
        made.manual[name] = f"{silent}, but {verdict.works}: examine its SSH server and the network{force}"
    elif verdict.wait:
        made.waiting[name] = f"{silent}, and {verdict.wait}"
    elif not policy.creates_hosts:
        made.manual[name] = _no_provider(host)
    else:
        made.manual[name] = f"{silent}, and no second witness says that it is down: bring it back{force}"


def _recreate(made: _Plan, name: str, hosts: Values, quorum: bool, verdict: Verdict, policy: Policy, record: Record) -> None:
    """Recreate a host within the limit. Members of etcd are recreated one at a time, and not without a quorum."""
    is_member = hosts[name]["group"] == "etcd"
    replaced = [other for other in made.recreate if hosts[other]["group"] == "etcd"]
    limit = _limit(len(made.recreate), policy.recreations_per_hour, record)
    if is_member and not quorum:
        if not verdict.state:  # unknown, so it may be stopped
            made.start.append(name)
        made.manual[name] = _NO_QUORUM
    elif is_member and replaced:
        made.waiting[name] = f"waits for {replaced[0]}: members of etcd are replaced one at a time"
    elif record.problem:
        made.manual[name] = f"not recreated, since the limit of recreations per hour cannot be checked: {record.problem}"
    elif limit:
        made.waiting[name] = f"{verdict.down}; {limit}"
    else:
        made.recreate.append(name)
        made.witnesses[name] = verdict.down


def _limit(planned: int, most: int, record: Record) -> str:
    """Return until when the limit of recreations forbids another one, or nothing."""
    before = [entry["at"] for entry in recent(record.recreations, record.now)]
    times = sorted([*before, *[record.now] * planned])
    if len(times) < most:
        return ""
    found = f"waits: found {len(before)} recreated in the last hour and {planned} in this plan, expected {most} at most (repair_recreations_per_hour)"
    if not most:
        return found
    free = datetime.datetime.fromtimestamp(times[len(times) - most] + SECONDS, datetime.timezone.utc)
    return f"{found}; the next one is possible at {to_timestamp(free)}"


def _losses(host: Values, volumes: t.Mapping[str, t.Sequence[str]] | None) -> str:
    """Return the data that a host loses with its disk."""
    if host["group"] == "etcd":
        return "its copy of the etcd data; the new member copies it from the others"
    if volumes is None:
        return "local volumes, if it has any; the API did not list them"
    lost = volumes.get(host["address"], ())
    more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
    return f"local volumes for good: {', '.join(lost[:_SHOWN])}{more}" if lost else ""


def _rank(group: str) -> int:
    return _ORDER.index(group) if group in _ORDER else len(_ORDER)


def _plan_units(made: _Plan, hosts: Values, findings: t.Iterable[Values], broken: t.Mapping[str, str]) -> None:
    """Restart units, and let site.yml do the rest. A host waits while something that it depends on is down."""
    for finding in findings:
        name, kind = finding["host"], finding["kind"]
        if name is None or hosts[name]["state"] in ("unreachable", *_LEFT_ALONE) or name in (*made.recreate, *made.start):
            continue
        if hosts[name].get("error") and kind != "answer":
            continue  # its answer is invalid, so nothing else is known of it
        dependency = broken.get(hosts[name]["group"])
        if kind in ("certificate", "job") or (kind == "unit" and finding["severity"] == "warning"):
            _add(made.configure, name)
        elif finding["severity"] == "warning":
            continue
        elif kind in _MANUAL:
            made.manual[name] = _details(finding)
        elif dependency:
            made.waiting[name] = dependency
        elif kind == "unit":
            _add(made.restart.setdefault(name, []), finding["subject"])
        elif kind == "node" and _KUBELET in hosts[name]["units"]:
            _add(made.restart.setdefault(name, []), _KUBELET)
        elif kind == "node":
            _add(made.configure, name)
        elif kind == "etcd" and finding["found"] == "a learner":
            _add(made.configure, name)
        else:
            made.manual.setdefault(name, _details(finding))
    for name in made.restart:
        made.manual.pop(name, None)


def _broken_dependencies(report: Values) -> dict[str, str]:
    """Return by group why its units cannot be repaired yet: a restart is no use while a dependency is down."""
    masters = [host["state"] for host in report["hosts"].values() if host["group"] == "master" and host["state"] != "removed"]
    api = "no master is healthy" if masters and not set(masters) & {"healthy", "ignored"} else ""
    etcd = "" if _has_quorum(report) else "etcd has no quorum"
    needed = {"master": etcd, "worker": etcd or api, "proxy": etcd or api}
    return {group: f"waits: {missing}" for group, missing in needed.items() if missing}


def _has_quorum(report: Values) -> bool:
    """Tell whether etcd can have a quorum. Members that were not asked may be healthy."""
    etcd = report["cluster"]["etcd"]
    return etcd["healthy"] + etcd["voters"] - etcd["asked"] >= etcd["needed"]


def _plan_cluster(made: _Plan, findings: t.Iterable[Values], policy: Policy) -> bool:
    """Tell whether the provider must repair the load balancers, and note what needs an operator."""
    load_balancers = False
    for finding in (finding for finding in findings if finding["host"] is None and finding["severity"] == "critical"):
        if finding["kind"] == "endpoint" and policy.creates_load_balancers:
            load_balancers = True
        elif finding["kind"] in ("access", "certificate"):
            made.manual["the cluster"] = _details(finding)
        elif not made.as_values()["acts"]:
            made.manual.setdefault("the cluster", _details(finding))
    return load_balancers


def _details(finding: Values) -> str:
    return f"{finding['kind']} {finding['subject']}: found {finding['found']}, expected {finding['expected']}"


def _add(names: list[str], name: str) -> None:
    if name not in names:
        names.append(name)


def text(made: Values) -> str:
    """Return the plan as text."""
    if made["meltdown"]:
        melting = made["meltdown"]
        return (
            f"Meltdown: {len(melting['down'])} of {melting['hosts']} hosts are unreachable ({', '.join(melting['down'])}); expected a share of "
            f"{melting['share']:g} at most, or fewer than {melting['minimum']} hosts. Nothing is repaired: check the network, the controller's included."
        )
    lines = []
    for name in made["recreate"]:
        lines.append(f"{name}: recreate, because {made['witnesses'][name]}; then configure")
        lines += [f"{name}: loses {made['losses'][name]}"] if name in made["losses"] else []
    lines += [f"{name}: start{', because ' + made['witnesses'][name] if name in made['witnesses'] else ' if it is stopped'}" for name in made["start"]]
    lines += [f"{name}: restart {', '.join(units)}" for name, units in made["restart"].items()]
    lines += [f"{name}: configure" for name in made["configure"] if name not in made["restart"]]
    lines += ["the load balancers: repair"] if made["load_balancers"] else []
    lines += [f"{name}: {why}" for name, why in made["waiting"].items()]
    lines += [f"{name}: needs an operator; {why}" for name, why in made["manual"].items()]
    return "\n".join(lines) or "Nothing to repair."

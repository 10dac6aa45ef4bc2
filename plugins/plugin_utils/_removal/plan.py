# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of a removal, made from the health report of the cluster. Both are plain values."""

from __future__ import annotations

import dataclasses
import difflib
import typing as t
import urllib.parse

__all__ = ("Cluster", "Target", "plan", "text")

Values = t.Mapping[str, t.Any]

_GROUPS = ("etcd", "master", "worker", "proxy")
_OVERLAY = ("master", "worker", "proxy")  # groups whose hosts have a lease of flannel
# Groups that must keep a host, and why.
_LAST = {
    "etcd": "the cluster's data would be lost",
    "master": "the cluster would have no API",
    "worker": "no pod could run",
    "proxy": "users would not reach the API: cluster_topology is proxy",
}
_OFF = ("stopped", "absent")  # states of a host, as its provider tells them, in which it runs nothing
_SHOWN = 5  # volumes


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The cluster as the inventory, the store, its hosts and the API describe it."""

    report: Values  # of module health_report, with all hosts of the inventory
    removals: t.Mapping[str, Values] = dataclasses.field(default_factory=dict)  # of module host_removals
    topology: str = "proxy"
    api_host: str = ""
    provider: t.Mapping[str, str] | None = None  # states of hosts by name, None without a provider that removes machines
    volumes: t.Mapping[str, t.Sequence[str]] | None = None  # on the disks of nodes by address, None if the API did not tell

    @property
    def hosts(self) -> dict[str, Values]:
        """The hosts of the inventory that have not left, each with its group and address."""
        return {name: host for name, host in self.report["hosts"].items() if host["state"] != "removed"}

    @property
    def machines(self) -> t.Mapping[str, str]:
        """The states of the provider's hosts. A provider that has none of them was asked in the wrong place."""
        return self.provider if self.provider and set(self.provider.values()) != {"absent"} else {}


@dataclasses.dataclass(frozen=True)
class Target:
    """A host that leaves."""

    name: str
    group: str  # empty if nothing but an address is known
    address: str
    answers: bool = False
    silence: str = ""  # why it does not answer
    is_off: str = ""  # why it certainly runs nothing
    is_done: bool = False
    member: str = ""  # of etcd, by its name or, if it has never started, by its ID


def plan(cluster: Cluster, names: t.Sequence[str], confirmed: bool) -> dict[str, t.Any]:
    """Return the plan for the hosts that the operator names, and for those whose removal was interrupted. Without a name, there is nothing to do."""
    unfinished = [name for name, entry in cluster.removals.items() if names and entry["state"] == "leaving"]
    wanted = [*dict.fromkeys([*unfinished, *names])]
    targets = {name: target for name in wanted if (target := _target(name, cluster))}
    refused = [_unknown(name, cluster) for name in wanted if name not in targets]
    leaving = [target for target in targets.values() if not target.is_done]
    stay = {name: host for name, host in cluster.hosts.items() if name not in targets}
    refused += [*_refusals(leaving, stay, cluster)] if leaving else []
    risks = [*_risks(leaving, cluster)]
    acts = bool(leaving) and not refused and (confirmed or not risks)
    return {
        "hosts": {
            target.name: {
                "group": target.group,
                "address": target.address,
                "member": target.member,
                "answers": target.answers,
                "machine": _has_machine(target, cluster),
            }
            for target in leaving
        },
        "unfinished": [name for name in unfinished if name not in names],
        "drain": [target.address for target in leaving if _is_drained(target, cluster)],
        "members": _members(leaving, cluster.report),
        "nodes": [target.address for target in leaving if target.group in ("worker", "")],
        "dead_nodes": [target.address for target in leaving if _is_dead(target, cluster)],
        "leases": [target.address for target in leaving if target.group in (*_OVERLAY, "")],
        "wipe": [target.name for target in leaving if target.answers],
        # Also those that are gone already, because the provider's inventory still has them.
        "machines": [target.name for target in leaving if target.name in cluster.machines],
        "lines": [name for name in targets if name in cluster.report["hosts"]],
        "etcd_host": _etcd_host(stay, cluster.report),
        "steps": {target.name: [*_steps(target, cluster)] for target in leaving},
        "done": [name for name, target in targets.items() if target.is_done],
        "refused": refused,
        "risks": risks,
        "warnings": [*_warnings(leaving, stay, cluster)] if leaving else [],
        "acts": acts,
    }


def _target(name: str, cluster: Cluster) -> Target | None:
    """Return the host of a name: one of the inventory, one of an earlier removal, or one that only the cluster knows."""
    entry = cluster.hosts.get(name) or cluster.removals.get(name) or _stranger(name, cluster.report)
    if not entry:
        return None
    row = cluster.report["hosts"].get(name, {})
    answers = bool(row) and not row.get("error") and row.get("state") not in ("unreachable", "ignored")
    silence = "" if answers else _silence(row)
    state = cluster.machines.get(name, "")
    is_off = f"its provider says that it is {state}" if state in _OFF else ""
    member = _member(name, entry, cluster.report) if entry["group"] == "etcd" else ""
    target = Target(name, entry["group"], entry["address"], answers, silence, "" if answers else is_off, member=member)
    finished = cluster.removals.get(name, {}).get("state") == "removed"
    return dataclasses.replace(target, is_done=finished and not _leftovers(target, cluster.report))


def _member(name: str, entry: Values, report: Values) -> str:
    """Return the name of a host's member of etcd, or its ID if it has never started: etcd knows only its address then."""
    members = _known_members(report)
    nameless = (member["id"] for member in members if not member["name"] and entry["address"] in _addresses(member))
    return name if any(member["name"] == name for member in members) else next(nameless, entry.get("member", name))


def _silence(row: Values) -> str:
    if row.get("state") == "ignored":
        return "it is in group ignored"
    return row.get("error") or ("it gives no valid answer" if row else "the inventory does not have it")


def _stranger(name: str, report: Values) -> dict[str, str] | None:
    """Return a host that the inventory does not have: a member of etcd by its name or address, a Node, or a host of the overlay network."""
    for member in _known_members(report):
        addresses = _addresses(member)
        if name in (member["name"], member["id"], *addresses):
            return {"group": "etcd", "address": next(iter(addresses), ""), "member": member["name"] or member["id"]}
    if name in (report["cluster"].get("nodes") or {}):
        return {"group": "worker", "address": name}
    return {"group": "", "address": name} if name in _routed(report) else None


def _known_members(report: Values) -> list[Values]:
    """Return the members of etcd that its hosts tell."""
    told = (host["etcd"]["members"] or [] for host in report["hosts"].values() if host.get("etcd"))
    return [member for members in told for member in members]


def _addresses(member: Values) -> list[str]:
    return [urllib.parse.urlsplit(url).hostname or "" for url in member["peer_urls"]]


def _routed(report: Values) -> set[str]:
    """Return the addresses to which hosts have a route of the overlay network."""
    return {address for host in report["hosts"].values() for address in (host.get("routes") or {}).get("overlay", ())}


def _leftovers(target: Target, report: Values) -> bool:
    """Tell whether the cluster still knows a host that has left, or cannot be asked."""
    members, nodes = _known_members(report), report["cluster"].get("nodes")
    if target.group == "etcd":
        return not members or any(target.member in (member["name"], member["id"]) for member in members)
    is_node = target.group == "worker" and (nodes is None or target.address in nodes)
    return is_node or (target.group in _OVERLAY and target.address in _routed(report))


def _node(target: Target, cluster: Cluster) -> Values | None:
    return (cluster.report["cluster"].get("nodes") or {}).get(target.address) if target.group == "worker" else None


def _is_drained(target: Target, cluster: Cluster) -> bool:
    """Tell whether a worker can end its pods. A drain would wait for a kubelet that is not ready until its time is up."""
    node = _node(target, cluster)
    return bool(target.answers and node and node["ready"])


def _is_dead(target: Target, cluster: Cluster) -> bool:
    """Tell whether nothing on a worker ends its pods. One that answers is stopped with all containers before its Node is marked."""
    return target.group == "worker" and (not target.answers or bool(_node(target, cluster)) and not _is_drained(target, cluster))


def _has_machine(target: Target, cluster: Cluster) -> bool:
    return cluster.machines.get(target.name, "absent") != "absent"


def _unknown(name: str, cluster: Cluster) -> str:
    close = difflib.get_close_matches(name, sorted({*cluster.hosts, *cluster.removals}), n=1, cutoff=0.75)
    expected = "a host of the inventory, or an unknown member, Node or route that health names"
    return f"remove: found {name}, expected {expected}{f'; is {close[0]} meant?' if close else ''}"


def _refusals(leaving: t.Sequence[Target], stay: t.Mapping[str, Values], cluster: Cluster) -> t.Iterator[str]:
    """Yield why the hosts cannot be removed."""
    for finding in cluster.report["findings"]:
        if finding["kind"] == "restore":
            yield f"restore {finding['subject']}: found {finding['found']}, expected {finding['expected']}"
    for target in leaving:
        if target.group == "director":
            yield f"{target.name} is the director and has the store: move the store to another one first (docs/secrets.md)"
    for group in _GROUPS:
        gone = [target for target in leaving if target.group == group]
        if gone and not _of(stay, group) and (group != "proxy" or cluster.topology == "proxy"):
            yield f"group {group}: found no host besides {_names(gone)}, expected at least one that stays: {_LAST[group]}. Add a host first"
    yield from _without_quorum(leaving, stay, cluster.report)
    if _of(stay, "etcd") and _etcd_host(stay, cluster.report) is None and any(target.group != "director" for target in leaving):
        yield f"group etcd: found no healthy member on a host that stays and answers, expected one: bring back {', '.join(_of(stay, 'etcd'))}"
    yield from _without_api(leaving, stay, cluster)
    for target in leaving:
        if target.group == "proxy" and cluster.topology == "proxy" and cluster.api_host in (target.address, target.name):
            yield (
                f"{target.name} has the address of the API, cluster_api_host {cluster.api_host}: set cluster_api_host to another proxy, and "
                f"cluster_api_alternative_names to [{cluster.api_host}] until all clients know it, and run site.yml first"
            )


def _without_quorum(leaving: t.Sequence[Target], stay: t.Mapping[str, Values], report: Values) -> t.Iterator[str]:
    """Check that the members that stay have a quorum without the others. A healthy member knows a leader, so etcd has one now."""
    gone = [target for target in leaving if target.group == "etcd"]
    members = _of(stay, "etcd")
    if not gone or not members:
        return
    healthy = [name for name in members if _is_healthy_member(name, report)]
    needed = len(members) // 2 + 1
    if len(healthy) < needed:
        lost = [name for name in members if name not in healthy]
        yield (
            f"etcd: found {len(healthy)} healthy members of the {len(members)} that stay, expected {needed} or more: "
            f"bring {', '.join(lost)} back, or remove {'it' if len(lost) == 1 else 'them'} instead"
        )


def _without_api(leaving: t.Sequence[Target], stay: t.Mapping[str, Values], cluster: Cluster) -> t.Iterator[str]:
    report = cluster.report
    masters = _of(stay, "master")
    working = [name for name in masters if report["hosts"].get(name, {}).get("state") in ("healthy", "ignored")]
    if masters and not working and any(target.group == "master" for target in leaving):
        yield f"group master: found no healthy host besides those that leave, expected one: repair {', '.join(masters)} first"
    if any(target.group == "worker" for target in leaving) and report["cluster"].get("nodes") is None:
        yield "the API does not list nodes, expected it to: a worker is drained, and its Node deleted. Repair the masters first"


def _is_healthy_member(name: str, report: Values) -> bool:
    member = report["hosts"].get(name, {}).get("etcd")
    return bool(member) and member["has_leader"] and member["role"] != "learner"


def _risks(leaving: t.Sequence[Target], cluster: Cluster) -> t.Iterator[str]:
    """Yield what needs a confirmation, because data may be lost or because a host may still run."""
    for target in leaving:
        if not target.answers and target.is_off:
            pass
        elif not target.answers and target.group == "etcd":
            yield f"{target.name} does not answer ({target.silence}): its member is removed for good, and must not come back; switch the machine off"
        elif not target.answers and target.group == "worker":
            yield f"{target.name} does not answer ({target.silence}): its pods start elsewhere while it may still run them; switch the machine off"
        elif not target.answers and target.group:
            yield f"{target.name} does not answer ({target.silence}): it keeps its keys and may still run; switch the machine off"
        if target.group == "worker" and (lost := _volumes(target, cluster)):
            yield f"{target.name} loses {lost}"


def _volumes(target: Target, cluster: Cluster) -> str:
    """Return the volumes that are lost with the disk of a worker."""
    if cluster.volumes is None:
        return "local volumes, if it has any; the API did not list them"
    lost = cluster.volumes.get(target.address, ())
    more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
    return f"local volumes for good: {', '.join(lost[:_SHOWN])}{more}" if lost else ""


def _warnings(leaving: t.Sequence[Target], stay: t.Mapping[str, Values], cluster: Cluster) -> t.Iterator[str]:
    """Yield what the operator should know, and what does not prevent the removal."""
    for target in leaving:
        if target.answers and _is_dead(target, cluster):
            yield f"{target.name} is not drained, because its Node is not ready: its pods are killed, and start elsewhere"
    members = len(_of(stay, "etcd"))
    if any(target.group == "etcd" for target in leaving) and members % 2 == 0:
        yield f"etcd has {members} members then, which survive {(members - 1) // 2} failures; with an odd number, one member less survives as many: add one"
    elif any(target.group == "etcd" for target in leaving) and members == 1:
        yield "etcd has one member then: if it fails, the cluster has no API, and if its disk fails, no data"
    if any(target.group == "proxy" for target in leaving) and cluster.api_host and not cluster.api_host.replace(".", "").isdigit():
        yield f"cluster_api_host {cluster.api_host} is a name: make sure that it does not lead to a proxy that leaves"
    silent = [name for name in stay if cluster.report["hosts"].get(name, {}).get("state") == "unreachable"]
    if silent:
        yield f"hosts that do not answer learn of the removal when site.yml reaches them: {', '.join(silent)}"


def _members(leaving: t.Sequence[Target], report: Values) -> list[str]:
    """Return the members that leave: first those that do not answer, since they do not help the quorum, and the leader last."""
    # The report's leader is none of those whose removal was interrupted.
    leaders = [name for name, host in report["hosts"].items() if (host.get("etcd") or {}).get("role") == "leader"]
    gone = [target for target in leaving if target.group == "etcd"]
    return [target.member for target in sorted(gone, key=lambda target: (target.answers, target.name in leaders))]


def _etcd_host(stay: t.Mapping[str, Values], report: Values) -> str | None:
    """Return a healthy host of etcd that stays; it reaches all members."""
    return next((name for name in _of(stay, "etcd") if _is_healthy_member(name, report)), None)


def _steps(target: Target, cluster: Cluster) -> t.Iterator[str]:
    """Yield what happens to a host, in this order."""
    if _is_drained(target, cluster):
        yield "drain it"
    if target.group == "etcd":
        yield "remove its member from etcd"
    if target.group == "master" and target.answers:
        yield "stop its API server when no request reaches it any more"
    if target.answers:
        yield "stop its services and delete their keys and data"
    if _is_dead(target, cluster):
        yield "mark its Node as out of service, so that its pods and volumes move"
    if target.group in ("worker", ""):
        yield f"delete Node {target.address}"
    if target.group in (*_OVERLAY, ""):
        yield "delete its lease of flannel"
    if _has_machine(target, cluster):
        yield "delete the machine"


def _of(hosts: t.Mapping[str, Values], group: str) -> list[str]:
    return [name for name, host in hosts.items() if host["group"] == group]


def _names(targets: t.Iterable[Target]) -> str:
    return ", ".join(target.name for target in targets)


def text(made: Values, cluster_name: str = "") -> str:
    """Return the plan as text."""
    lines = [f"{name}: was removed before" for name in made["done"]]
    lines += [f"{name}: its removal was interrupted, and is continued" for name in made["unfinished"]]
    lines += [f"{name} ({host['group'] or 'unknown'}, {host['address']}): {'; '.join(made['steps'][name])}" for name, host in made["hosts"].items()]
    if made["hosts"]:
        lines.append("all other hosts: site.yml, so that their firewalls, names, backends and endpoints no longer have these hosts")
    lines += [f"warning: {warning}" for warning in made["warnings"]]
    lines += [f"needs a confirmation: {risk}" for risk in made["risks"]]
    lines += [f"refused: {reason}" for reason in made["refused"]]
    if made["risks"] and not made["refused"] and not made["acts"]:
        lines.append(f"To confirm, run it again with -e remove_confirm={cluster_name or '<name of the cluster>'}")
    return "\n".join(lines) or "Nothing to remove."

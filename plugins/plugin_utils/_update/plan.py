# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of an update: steps, each of one group to one release, and the batches of hosts of each step. All are plain values."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import typing as t

from . import obstacles, rules

__all__ = ("ALL", "COMPONENTS", "PHASES", "PHASES_BACK", "SLOTS", "Host", "Policy", "Release", "Request", "Refused", "plan")

# The components of each group's hosts.
COMPONENTS = {
    "etcd": ("etcd",),
    "master": ("flannel", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    "proxy": ("flannel", "kube-proxy"),
    "worker": ("flannel", "containerd", "runc", "cni-plugins", "kubelet", "kube-proxy"),
}
_SHOWN = 5  # volumes
# Hosts of these groups take over for each other only if one is down at a time.
_ONE_AT_A_TIME = ("etcd", "master", "proxy")
# In these orders, no component is ever newer than the API server that it talks to, and no pod moves after the restart of kube-proxy on a proxy, which has
# the rules of before for half a minute.
PHASES = ("etcd", "emulation", "masters", "workers", "proxies")
PHASES_BACK = ("workers", "proxies", "masters", "emulation", "etcd")
# Plays of playbook update, each for one step. Two hops of the masters with emulation are seven steps.
SLOTS = 8
_PHASE_OF = {"etcd": "etcd", "master": "masters", "proxy": "proxies", "worker": "workers"}
ALL = "all"
_KERNEL = "linux-image-"
_MINOR = re.compile(r"[0-9]+\.[0-9]+")


class Refused(Exception):
    """The update breaks a rule. The message has every reason: what was found, and what was expected."""


class Host(t.NamedTuple):
    """A host as its health report describes it."""

    group: str
    zone: str = ""
    releases: t.Mapping[str, str] | None = None  # the version of each component; None: it has no part in the update
    leader: bool = False
    emulates: bool = False  # an update that was given up has left it so
    recorded: t.Mapping[str, str] | None = None  # the versions that it has by the record of such an update, if a killed run has changed them
    silence: str = "does not answer"  # without releases: the reason
    address: str = ""
    kubelet: str = ""  # the version that the API tells of a Node that is ready, also if the host does not answer


class Release(t.NamedTuple):
    """The versions of a release, by project and by component."""

    versions: t.Mapping[str, str]
    components: t.Mapping[str, str]

    @property
    def minor(self) -> str:
        """The minor version of Kubernetes."""
        return minor(self.versions["kubernetes"])


@dataclasses.dataclass(frozen=True)
class Policy:
    """How the hosts of a group are updated. Numbers of hosts are whole numbers or percentages of the group."""

    canaries: str = "1"
    max_in_flight: str = "1"


@dataclasses.dataclass(frozen=True)
class Request:
    """The update that the operator wants."""

    now: Release
    to: Release
    locks: t.Mapping[str, Release]  # the release of each minor in the catalog
    policies: t.Mapping[str, Policy] = dataclasses.field(default_factory=dict)
    rollback: bool = False
    begun: bool = False  # whether an update has changed hosts already
    planned: t.Collection[str] = ()  # the hosts in steps of that one
    emulate: bool = True
    configuration: bool = False  # whether every host gets its configuration, also those with the wanted versions
    packages: t.Mapping[str, t.Mapping[str, t.Any]] | None = None  # of module host_packages by host; None: packages stay
    reboot: str = "auto"
    recreate: t.Collection[str] = ()  # hosts, groups, or ALL
    machines: t.Mapping[str, str] | None = None  # states of the provider's machines by host; None: it is not known who has created them
    volumes: t.Mapping[str, t.Sequence[str]] = dataclasses.field(default_factory=dict)  # on the disks of workers, by address
    drain: str = "auto"
    skip_drain: t.Collection[str] = ()
    api_problem: str = ""  # why the API does not list nodes
    obstacles: t.Mapping[str, t.Any] | None = None  # of module kubernetes_obstacles_info

    @property
    def repairs(self) -> bool:
        """Whether the update may be what brings the API back, so that only rules of versions and members prevent it."""
        return self.rollback or self.begun

    @property
    def begins_with_masters(self) -> bool:
        """Whether a roll back brings the API back first: no worker can be drained without it, and nothing is too new for an API that does not serve."""
        return self.rollback and bool(self.api_problem and (self.obstacles or {}).get("problem"))

    @property
    def options(self) -> dict[str, t.Any]:
        """The variables that the plan was made with, apart from those that say what the update is. A run with others cannot follow the plan."""
        workers = self.policies.get("worker", Policy())
        return {
            "update_canaries": workers.canaries,
            "update_max_in_flight": workers.max_in_flight,
            "update_drain": self.drain,
            "update_skip_drain": sorted(self.skip_drain),
            "update_emulate": self.emulate,
            "update_reboot": self.reboot,
        }

    def recreates(self, name: str, group: str) -> bool:
        """Whether a host is recreated."""
        return bool({ALL, name, group} & set(self.recreate))


def minor(version: str) -> str:
    """Return the minor version of a version."""
    found = _MINOR.match(version)
    return found[0] if found else ""


def plan(hosts: t.Mapping[str, Host], request: Request) -> dict[str, t.Any]:
    """Return the plan; raise Refused with all reasons if there is none."""
    problems = list(rules.check(hosts, request))
    if problems:
        raise Refused("\n".join(problems))
    groups = {group: {name: host for name, host in hosts.items() if host.group == group and host.releases is not None} for group in COMPONENTS}
    etcd, masters = [_step("etcd", groups, request.to, request)], _masters(groups, request)
    nodes = [_step("worker", groups, request.to, request), _step("proxy", groups, request.to, request)]
    wanted = [*nodes, *masters, *etcd] if request.rollback else [*etcd, *masters, *nodes]
    steps = [step for step in wanted if step["batches"]]
    if request.begins_with_masters:
        steps.sort(key=lambda step: step["group"] != "master")
    if len(steps) > SLOTS:
        expected = f"{SLOTS} at most, the plays of playbook update: update to a minor in between first"
        raise Refused(f"cluster_kubernetes_version: found {len(steps)} steps to {request.to.versions['kubernetes']}, expected {expected}")
    found = request.obstacles if steps else None
    drained = [name for step in steps for name in step["drain"]]
    blocking = list(obstacles.refusals(found, drained)) if found else []
    if blocking and not request.repairs:
        raise Refused("\n".join(blocking))
    made = {
        "from": dict(request.now.versions),
        "to": dict(request.to.versions),
        "rollback": request.rollback,
        "configuration": request.configuration,
        "packages": request.packages is not None,
        "recreate": sorted(request.recreate),
        "options": request.options,
        "steps": steps,
        "left_out": {name: host.silence for name, host in hosts.items() if host.releases is None},
    }
    warnings = [*blocking, *obstacles.warnings(found, request.to.minor, drained)] if found else []
    return {"id": _id(made), **made, "warnings": [*_losses(hosts, steps, request), *warnings], "unplanned": _unplanned(groups, request)}


def _unplanned(groups: t.Mapping[str, t.Mapping[str, Host]], request: Request) -> list[str]:
    """Return the hosts that have joined or have come back since the plan of the update that is not finished: they are behind, and in no step of it.

    A new machine that runs nothing yet is none of them: site.yml configures it at the end, with the new versions.
    """
    versions = dataclasses.replace(request, configuration=False)
    members = [(group, name, host) for group, its in groups.items() for name, host in its.items() if request.begun and name not in request.planned]
    return [name for group, name, host in members if host.releases and _is_behind(group, host._replace(recorded=None), request.to, versions)]


def _losses(hosts: t.Mapping[str, Host], steps: t.Iterable[t.Mapping[str, t.Any]], request: Request) -> t.Iterator[str]:
    """Yield which volumes are lost with the disks of recreated workers."""
    for name in (name for step in steps for name in step["recreate"]):
        if volumes := request.volumes.get(hosts[name].address):
            more = f" and {len(volumes) - _SHOWN} more" if len(volumes) > _SHOWN else ""
            yield f"{name} loses local volumes for good: {', '.join(volumes[:_SHOWN])}{more}"


def _masters(groups: t.Mapping[str, t.Mapping[str, Host]], request: Request) -> list[dict[str, t.Any]]:
    """Return the steps of the masters: one per minor, since API servers must be within one minor of each other."""
    steps = []
    reached = groups["master"]
    for release in (path := hops(reached.values(), request)):
        step = _step("master", {"master": reached}, release, request, last=release == path[-1])
        # A new machine serves no minor yet, and must not be the first to serve another one than the others.
        before = min({minor(host.releases.get("kube-apiserver", "")) for host in reached.values()} - {""}, key=rules.numbers, default="")
        behind = [[name] for name in _ordered(reached) if _is_behind("master", reached[name], release, request)]
        going = {name: host for name, host in reached.items() if not _is_beyond(host, release, request)}
        if behind and before and before != release.minor and request.emulate and not request.rollback:
            steps.append({**step, "phase": "emulation", "emulated": before, "batches": behind, "packages": {}, "recreate": []})
            step = {**step, "batches": [[name] for name in _ordered(going)]}
        steps.append(step)
        reached = {**reached, **{name: host._replace(releases={**host.releases, **_of("master", release)}) for name, host in going.items()}}
    return steps


def hops(masters: t.Iterable[Host], request: Request) -> list[Release]:
    """Return the releases that the masters go through, one minor after the other."""
    found = {minor(host.releases.get("kube-apiserver", "")) for host in masters} - {""} or {request.now.minor}
    target = rules.numbers(request.to.minor)
    if request.rollback:
        highest = max(map(rules.numbers, found))
        between = [lock for lock in request.locks.values() if target < rules.numbers(lock.minor) < highest]
        return [*sorted(between, key=lambda lock: rules.numbers(lock.minor), reverse=True), request.to]
    lowest = min(map(rules.numbers, found))
    between = [lock for lock in request.locks.values() if lowest < rules.numbers(lock.minor) < target]
    return [*sorted(between, key=lambda lock: rules.numbers(lock.minor)), request.to]


def _step(
    group: str, groups: t.Mapping[str, t.Mapping[str, Host]], release: Release, request: Request, last: bool = True
) -> dict[str, t.Any]:
    """Return the step that brings a group to a release, the last one with the packages of the OS and recreated hosts.

    Hosts that have all that fall out, unless the configuration is to be applied.
    """
    members = groups[group]
    recreated = [name for name in members if last and request.recreates(name, group)]
    # A new machine has the packages of its image.
    upgraded = {name: its for name in members if last and name not in recreated and (its := _packages(name, request))}
    behind = {name: host for name, host in members.items() if name in (*recreated, *upgraded) or _is_behind(group, host, release, request)}
    policy = Policy() if group in _ONE_AT_A_TIME else request.policies.get(group, Policy())
    drained = {name: reason for name, host in behind.items() if group == "worker" and (reason := _drain(name, host, release, request, recreated, upgraded))}
    return {
        "phase": _PHASE_OF[group],
        "group": group,
        "versions": dict(release.versions),
        "emulated": "",
        # The minor for which etcd must be prepared before its members go back to it.
        "downgrade": _downgrade(behind, release) if group == "etcd" else "",
        "batches": _batches(_ordered(behind), behind, policy, len(members)),
        "drain": drained,
        "packages": upgraded,
        "recreate": recreated,
    }


def _is_behind(group: str, host: Host, release: Release, request: Request) -> bool:
    """Return whether a host is not yet at a release."""
    if group == "master" and _is_beyond(host, release, request):
        return False
    if request.configuration or host.emulates or host.recorded:
        return True
    return any(host.releases.get(name) != version for name, version in _of(group, release).items())


def _is_beyond(master: Host, release: Release, request: Request) -> bool:
    """Return whether a master has already gone beyond this minor. It does not return to it."""
    reached, wanted = rules.numbers(minor(master.releases.get("kube-apiserver", ""))), rules.numbers(release.minor)
    return bool(reached) and (reached < wanted if request.rollback else reached > wanted)


def _downgrade(members: t.Mapping[str, Host], release: Release) -> str:
    wanted = minor(release.components["etcd"])
    older = any(rules.numbers(wanted) < rules.numbers(minor(host.releases.get("etcd", ""))) for host in members.values())
    return wanted if older else ""


def _of(group: str, release: Release) -> dict[str, str]:
    return {name: release.components[name] for name in COMPONENTS[group]}


def _packages(name: str, request: Request) -> dict[str, t.Any]:
    """Return how many packages of the host are upgraded, and why it reboots as far as that is known before; nothing if it needs neither."""
    found = (request.packages or {}).get(name)
    if found is None:
        return {}
    reason = found["reboot"] or ("for a new kernel" if any(package.startswith(_KERNEL) for package in found["packages"]) else "")
    reboots = {"auto": reason, "always": "update_reboot is always", "never": ""}[request.reboot]
    return {"count": len(found["packages"]), "reboot": reboots} if found["packages"] or reboots else {}


def _drain(
    name: str, host: Host, release: Release, request: Request, recreated: t.Collection[str], upgraded: t.Mapping[str, t.Mapping[str, t.Any]]
) -> str:
    """Return why the worker is drained before it changes, or nothing.

    Kubernetes does not support another minor of the kubelet below running pods, containers of another minor of containerd may lose their shim, and a reboot
    or a recreation ends all pods. Packages of the OS are not part of pods.
    """
    if request.drain == "never" or name in request.skip_drain:
        return ""
    if name in recreated:
        return "recreation"
    for component in ("kubelet", "containerd"):
        after = release.components[component]
        for before in (its.get(component) for its in (host.releases, host.recorded or {})):
            if before and minor(before) != minor(after):
                return f"{component} {before} to {after}"
    if name in upgraded and upgraded[name]["reboot"]:
        return "reboot"
    return "update_drain is always" if request.drain == "always" else ""


def _ordered(hosts: t.Mapping[str, Host]) -> list[str]:
    """Return the hosts in the order of the update: zone by zone, and the leader of etcd last, so that it changes once.

    A new machine, which an interrupted run has left without a member of etcd or a master, comes first, before another one is down as well.
    """
    zones = list(dict.fromkeys(host.zone for host in hosts.values()))
    return sorted(
        hosts, key=lambda name: (hosts[name].leader, bool(hosts[name].releases) and hosts[name].group in _ONE_AT_A_TIME, zones.index(hosts[name].zone))
    )


def _batches(names: t.Sequence[str], hosts: t.Mapping[str, Host], policy: Policy, size: int) -> list[list[str]]:
    """Return the batches: first the canaries, all of one zone, then at most max_in_flight hosts of one zone."""
    if not names:
        return []
    first = hosts[names[0]].zone
    canaries = [name for name in names if hosts[name].zone == first][: number(policy.canaries, size)]
    found = [canaries] if canaries else []
    most = max(1, number(policy.max_in_flight, size))
    for zone in dict.fromkeys(hosts[name].zone for name in names):
        rest = [name for name in names if hosts[name].zone == zone and name not in canaries]
        found += [rest[start : start + most] for start in range(0, len(rest), most)]
    return found


def number(text: str, size: int) -> int:
    """Return a number of hosts that may be a percentage of a group, rounded down."""
    return int(text[:-1]) * size // 100 if text.endswith("%") else int(text)


def _id(made: t.Mapping[str, t.Any]) -> str:
    """Return a name of the plan, by which nodes say who has cordoned them."""
    digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
    return f"update-{made['to']['kubernetes']}-{digest[:8]}"

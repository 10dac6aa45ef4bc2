# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules that an update must not break: version skew, quorum, and ways back that do not exist."""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from .plan import Host, Request

__all__ = ("check", "numbers")

# https://kubernetes.io/releases/version-skew-policy: a kubelet may be three minors older than any API server.
_KUBELET_MINORS = 3
# https://etcd.io/docs/v3.7/upgrades: a member of 3.6 needs this version to go on together with members of 3.7.
_ETCD_BEFORE_NEXT_MINOR = (3, 6, 11)


def numbers(version: str) -> tuple[int, ...]:
    """Return a version as numbers, so that versions can be compared."""
    return tuple(int(part) for part in re.findall("[0-9]+", version)[:3])


def check(hosts: t.Mapping[str, Host], request: Request) -> t.Iterator[str]:
    """Yield every reason why there can be no such update."""
    yield from _direction(request)
    yield from _path(request)
    yield from _reached(hosts, request)
    yield from _etcd(hosts, request)
    yield from _kubelets(hosts, request)
    yield from _members(hosts, request)
    yield from _machines(hosts, request)
    yield from _api(request)


def _direction(request: Request) -> t.Iterator[str]:
    if not request.rollback and numbers(request.to.versions["kubernetes"]) < numbers(request.now.versions["kubernetes"]):
        yield (
            f"cluster_kubernetes_version: found {request.to.versions['kubernetes']}, expected {request.now.versions['kubernetes']}, the version of the "
            "cluster, or a later one: update_action=rollback goes back to the versions before the last update"
        )
    if request.rollback and numbers(request.to.versions["kubernetes"]) > numbers(request.now.versions["kubernetes"]):
        yield (
            f"update_action: found rollback to {request.to.versions['kubernetes']}, expected versions before {request.now.versions['kubernetes']}, "
            "those of the cluster: it has gone back already"
        )


def _path(request: Request) -> t.Iterator[str]:
    """Check that the catalog has every minor in between: masters never skip one."""
    low, high = sorted((numbers(request.now.minor), numbers(request.to.minor)))
    missing = [f"{low[0]}.{number}" for number in range(low[1] + 1, high[1]) if f"{low[0]}.{number}" not in request.locks]
    if low[0] != high[0] or missing:
        yield f"cluster_kubernetes_version: found {request.to.minor} after {request.now.minor}, expected a catalog of each minor in between"


def _reached(hosts: t.Mapping[str, Host], request: Request) -> t.Iterator[str]:
    """Check that another plan of an update that is not finished does not end below masters: they go back in the other order only."""
    ahead = [name for name, host in hosts.items() if numbers((host.releases or {}).get("kube-apiserver", ""))[:2] > numbers(request.to.minor)]
    if request.begun and not request.rollback and ahead:
        yield f"cluster_kubernetes_version: found {request.to.minor}, expected the minor of {', '.join(ahead)} or a later one: update_action=rollback goes back"


def _etcd(hosts: t.Mapping[str, Host], request: Request) -> t.Iterator[str]:
    """Check that etcd changes by one minor at most, and that its members can work with those of the next one."""
    after = numbers(request.to.components["etcd"])
    for name, host in hosts.items():
        found = (host.releases or {}).get("etcd") if host.group == "etcd" else None
        if not found:
            continue
        before = numbers(found)
        if before[0] != after[0] or abs(before[1] - after[1]) > 1:
            yield f"{name}: found etcd {found}, expected a minor next to {request.to.components['etcd']}: update to a release in between first"
        elif before[1] < after[1] and before < _ETCD_BEFORE_NEXT_MINOR:
            floor = ".".join(map(str, _ETCD_BEFORE_NEXT_MINOR))
            yield f"{name}: found etcd {found}, expected {floor} or later before {request.to.components['etcd']}"


def _kubelets(hosts: t.Mapping[str, Host], request: Request) -> t.Iterator[str]:
    """Check that no kubelet falls too far behind the API servers while the masters are updated, and that none is newer when they have gone back."""
    after = numbers(request.to.minor)
    masters_go_back = any(numbers((host.releases or {}).get("kube-apiserver", ""))[:2] > after for host in hosts.values())
    for name, host in hosts.items():
        if host.releases is None and request.rollback and masters_go_back and numbers(host.kubelet)[:2] > after:
            yield (
                f"{name}: found kubelet {host.kubelet.lstrip('v')} on a worker that {host.silence}, expected it to go back before the masters: "
                "bring it back, or remove it"
            )
        found = (host.releases or {}).get("kubelet") if host.group == "worker" else None
        if found and after[1] - numbers(found)[1] > _KUBELET_MINORS:
            yield f"{name}: found kubelet {found}, expected at most {_KUBELET_MINORS} minors behind {request.to.minor}"


def _members(hosts: t.Mapping[str, Host], request: Request) -> t.Iterator[str]:
    """Check that members of etcd and masters can be stopped one at a time, and that no API server is left behind.

    A host that does not answer, or that the operator has ignored, may still serve.
    """
    for group, needed in (("etcd", lambda size: size // 2 + 1), ("master", lambda size: min(1, size - 1))):
        members = {name: host for name, host in hosts.items() if host.group == group}
        silent = [name for name, host in members.items() if host.releases is None]
        if silent and len(members) - len(silent) - 1 < needed(len(members)):
            reason = "one more is stopped at a time"
        elif silent and group == "master" and _has_two_minors(hosts, request):
            reason = f"its API server may still serve another minor than {request.to.minor}"
        else:
            continue
        found = ", ".join(f"{name} {members[name].silence}" for name in silent)
        yield f"group {group}: found that {found}, expected every host, since {reason}: bring it back, or remove it"


def _has_two_minors(hosts: t.Mapping[str, Host], request: Request) -> bool:
    """Tell whether API servers get another minor. On the way back from an update that is not finished, only they tell."""
    found = [(host.releases or {}).get("kube-apiserver", "") for host in hosts.values() if host.group == "master"]
    return any(numbers(version)[:2] != numbers(request.to.minor) for version in (request.now.minor, *found) if version)


def _machines(hosts: t.Mapping[str, Host], request: Request) -> t.Iterator[str]:
    """Check that hosts can be recreated: by the provider that has created them, and with the data of the other members of etcd."""
    recreated = {name: host for name, host in hosts.items() if host.releases is not None and request.recreates(name, host.group)}
    if recreated and request.machines is None:
        yield "update_recreate: found hosts that role iaas has not created, expected the inventory that it has written: recreate them yourself, and run repair"
        return
    for name in recreated:
        if (state := (request.machines or {}).get(name, "absent")) != "running":
            yield f"update_recreate: found that the machine of {name} is {state} at the provider of role iaas, expected running"
    members = [host for host in hosts.values() if host.group == "etcd"]
    if any(host.group == "etcd" for host in recreated.values()) and len(members) - 1 < len(members) // 2 + 1:
        yield f"update_recreate: found {len(members)} members of etcd, expected three or more: a new machine gets its data from a quorum of the others"


def _api(request: Request) -> t.Iterator[str]:
    """Check that the API lists nodes, which are compared after each host."""
    if request.api_problem and not request.repairs:
        yield f"the API: found {request.api_problem}, expected a list of nodes: run health, and repair the masters"

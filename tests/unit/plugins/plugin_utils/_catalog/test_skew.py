# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The versions in the catalog belong together, and every step of an update is one that the projects support."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog import catalog

Versions = t.Mapping[str, str]

# What the projects publish, by minor of Kubernetes: containerd's RELEASES.md, and the versions of kubeadm (cmd/kubeadm/app/constants/constants.go).
# RELEASES.md does not have 1.37 yet; containerd 2.4 is the one that is made of its CRI (k8s.io/cri-api 0.37).
CONTAINERD = {"1.35": "2.2.0", "1.36": "2.2.0", "1.37": "2.4.0"}
KUBEADM = {
    "1.35": {"etcd": "3.6.6", "coredns": "1.13.1", "pause": "3.10.1"},
    "1.36": {"etcd": "3.6.8", "coredns": "1.14.2", "pause": "3.10.2"},
    "1.37": {"etcd": "3.7.0", "coredns": "1.14.6", "pause": "3.10.2"},
}
# The oldest version of etcd from which the next minor may be entered (etcd.io/docs, upgrading).
ETCD_BEFORE = {(3, 7): "3.6.11"}
# containerd promises compatibility with the minor before (RELEASES.md), etcd and the API server with the minor before.
ONE_MINOR_AT_A_TIME = ("kubernetes", "etcd", "containerd")


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def minor_steps(before: str, after: str) -> int:
    """Return how many minors later a version is. Another major counts as many."""
    (old_major, old_minor), (major, minor) = numbers(before)[:2], numbers(after)[:2]
    return minor - old_minor if major == old_major else 100 * (major - old_major)


def broken_together(versions: Versions) -> t.Iterator[str]:
    """Yield each version that the minor of Kubernetes does not support."""
    minor = catalog.minor_of(versions)
    if minor not in KUBEADM:
        yield f"kubernetes {versions['kubernetes']}: what it supports is not known to this test"
        return
    floors = {**KUBEADM[minor], "containerd": CONTAINERD[minor]}
    floors["etcd"] = max(floors["etcd"], catalog.OLDEST_ETCD, key=numbers)
    for project, floor in floors.items():
        if numbers(versions[project]) < numbers(floor):
            yield f"{project} {versions[project]} with Kubernetes {minor}, which needs {floor}"
    if minor_steps(floors["etcd"], versions["etcd"]) > 0:
        yield f"etcd {versions['etcd']} with Kubernetes {minor}, which is tested with {floors['etcd']}"


def broken_update(before: Versions, after: Versions) -> t.Iterator[str]:
    """Yield each step of an update that a project does not support."""
    for project in before:
        if numbers(after[project]) < numbers(before[project]):
            yield f"{project} {before[project]} to {after[project]}: an update back"
    for project in ONE_MINOR_AT_A_TIME:
        if minor_steps(before[project], after[project]) > 1:
            yield f"{project} {before[project]} to {after[project]}: more than one minor"
    least = ETCD_BEFORE.get(numbers(after["etcd"])[:2])
    if least and numbers(before["etcd"]) < numbers(least):
        yield f"etcd {before['etcd']} to {after['etcd']}: not before {least}"


def broken_catalogs(locks: t.Mapping[str, t.Any]) -> list[str]:
    """Return every rule that catalogs break, given the content of their files by minor."""
    told = []
    for minor, lock in locks.items():
        releases = [lock["versions"], *({**lock["versions"], "kubernetes": patch, **its} for patch, its in lock["releases"].items())]
        for versions in releases:
            told += broken_together(versions)
            if catalog.minor_of(versions) != minor:
                told.append(f"kubernetes {versions['kubernetes']} in the catalog of {minor}")
            if versions is not lock["versions"]:
                told += broken_update(versions, lock["versions"])
        for former in lock["upgrades_from"]:
            if former not in locks:
                told.append(f"upgrades_from {former} of {minor}: no catalog")
                continue
            if minor_steps(f"{former}.0", f"{minor}.0") != 1:
                told.append(f"upgrades_from {former} of {minor}: not the minor before")
            told += [problem for versions in releases for problem in broken_update(locks[former]["versions"], versions)]
    return told


def locks() -> dict[str, t.Any]:
    return {path.stem: catalog._read(path.name) for path in sorted(catalog.CATALOG.glob("[0-9]*.yml"))}


def test_the_catalogs_break_no_rule() -> None:
    assert broken_catalogs(locks()) == []


def test_every_minor_but_the_first_can_be_updated_to() -> None:
    first, *others = locks()
    assert {minor: lock["upgrades_from"] for minor, lock in locks().items()} == {first: []} | {
        minor: [former] for former, minor in zip((first, *others), others)
    }


@pytest.mark.parametrize(
    ("minor", "changes", "says"),
    [
        ("1.36", {"etcd": "3.6.13"}, "etcd 3.6.13 with Kubernetes 1.36, which needs 3.6.14"),
        ("1.37", {"etcd": "3.6.16"}, "etcd 3.6.16 with Kubernetes 1.37, which needs 3.7.0"),
        ("1.36", {"etcd": "3.7.3"}, "etcd 3.7.3 with Kubernetes 1.36, which is tested with 3.6.14"),
        ("1.37", {"etcd": "3.8.0"}, "etcd 3.6.16 to 3.8.0: more than one minor"),
        ("1.36", {"etcd": "3.6.10"}, "etcd 3.6.10 to 3.7.3: not before 3.6.11"),
        ("1.36", {"etcd": "3.6.14"}, "etcd 3.6.15 to 3.6.14: an update back"),
        ("1.37", {"containerd": "2.2.9"}, "containerd 2.2.9 with Kubernetes 1.37, which needs 2.4.0"),
        ("1.35", {"containerd": "2.2.9"}, "containerd 2.2.9 to 2.4.2: more than one minor"),
        ("1.37", {"containerd": "3.0.0"}, "containerd 2.4.2 to 3.0.0: more than one minor"),
        ("1.36", {"pause": "3.10.1"}, "pause 3.10.1 with Kubernetes 1.36, which needs 3.10.2"),
        ("1.37", {"coredns": "1.14.2"}, "coredns 1.14.2 with Kubernetes 1.37, which needs 1.14.6"),
        ("1.36", {"kubernetes": "1.35.4"}, "kubernetes 1.35.4 in the catalog of 1.36"),
        ("1.35", {"kubernetes": "1.34.4"}, "kubernetes 1.34.4: what it supports is not known to this test"),
    ],
)
def test_versions_that_break_a_rule_are_refused(minor: str, changes: dict[str, str], says: str) -> None:
    broken = locks()
    broken[minor] = {**broken[minor], "versions": {**broken[minor]["versions"], **changes}}
    assert says in broken_catalogs(broken)


@pytest.mark.parametrize(
    ("minor", "key", "value", "says"),
    [
        ("1.37", "upgrades_from", ["1.35"], "upgrades_from 1.35 of 1.37: not the minor before"),
        ("1.35", "upgrades_from", ["1.34"], "upgrades_from 1.34 of 1.35: no catalog"),
        ("1.37", "releases", {"1.36.1": {}}, "kubernetes 1.36.1 in the catalog of 1.37"),
        ("1.37", "releases", {"1.37.1": {"etcd": "3.6.16"}}, "etcd 3.6.16 with Kubernetes 1.37, which needs 3.7.0"),
        ("1.37", "releases", {"1.37.3": {}}, "kubernetes 1.37.3 to 1.37.2: an update back"),
    ],
)
def test_steps_and_patches_that_break_a_rule_are_refused(minor: str, key: str, value: t.Any, says: str) -> None:
    broken = locks()
    broken[minor] = {**broken[minor], key: value}
    assert says in broken_catalogs(broken)

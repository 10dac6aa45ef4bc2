# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prepare a cluster of etcd for binaries of the minor before: its members then store what these can read. Or cancel that, or ask what they store."""

from __future__ import annotations

import contextlib
import time
import typing as t

from .._errors import HostError
from .client import Etcd, EtcdError

__all__ = ("cancel", "downgrade", "minor", "stored")

POLL_SECONDS = 0.5
_DOWNGRADE, _STATUS = "/v3/maintenance/downgrade", "/v3/maintenance/status"


def minor(version: str) -> str:
    """Return the minor version of a version."""
    return ".".join(version.split(".")[:2])


def downgrade(cluster: Etcd, version: str, seconds: float, check_mode: bool) -> dict[str, t.Any]:
    """Enable the downgrade, and wait until every member stores the format of that minor. Return the result of the module.

    etcd ends it by itself when all members run that minor. Until then, binaries of both may come and go.
    """
    before = _statuses(cluster)
    # With one older member, the cluster has not begun to store the newer format, or has enabled the downgrade already.
    if any(minor(status["version"]) == version for status in before.values()):
        return {"changed": False, "storage": _storage(before)}
    enabled = any(_target(status) == version for status in before.values())
    if not enabled and not check_mode:
        cluster.call(_DOWNGRADE, {"action": "VALIDATE", "version": version})
        cluster.call(_DOWNGRADE, {"action": "ENABLE", "version": version})
    if check_mode:
        return {"changed": not enabled, "storage": _storage(before)}
    deadline = time.monotonic() + seconds
    while True:
        storage = _storage(_statuses(cluster))
        left = [f"{url} has {found or 'none'}" for url, found in storage.items() if minor(found) != version]
        if not left:
            return {"changed": not enabled, "storage": storage}
        if time.monotonic() > deadline:
            raise HostError(f"etcd: found storage versions {', '.join(left)} after {seconds:g} seconds, expected {version}")
        time.sleep(POLL_SECONDS)


def cancel(cluster: Etcd, version: str, seconds: float, check_mode: bool) -> dict[str, t.Any]:
    """Cancel a downgrade to a minor before the one that the members are to have. Return the result of the module.

    etcd ends it by itself only when all members run the older minor, and stores the format of that minor until then.
    """
    before = _answers(cluster)
    if not any(_is_before(_target(status), version) for status in before.values()):
        return {"changed": False, "storage": _storage(before)}
    if check_mode:
        return {"changed": True, "storage": _storage(before)}
    # etcd answers this with success also if it fails.
    cluster.call(_DOWNGRADE, {"action": "CANCEL"})
    deadline = time.monotonic() + seconds
    while True:
        after = _answers(cluster)
        left = [f"{url} still has the downgrade to {_target(status)}" for url, status in after.items() if _target(status)]
        if after and not left:
            return {"changed": True, "storage": _storage(after)}
        if time.monotonic() > deadline:
            raise HostError(f"etcd: found that {', '.join(left) or 'no member answers'} after {seconds:g} seconds, expected it to be cancelled")
        time.sleep(POLL_SECONDS)


def stored(cluster: Etcd, version: str, seconds: float) -> dict[str, t.Any]:
    """Return which format the members store, for a member that is to go back to a minor. Wait for a newer format unless a member runs that minor.

    The leader looks every four seconds whether all members run a newer minor, and may have seen a member that has run it for a moment only.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = _answers(cluster)
        is_newer = any(_is_before(version, minor(storage)) for storage in _storage(found).values())
        if is_newer or any(minor(status["version"]) == version for status in found.values()) or time.monotonic() > deadline:
            return {"changed": False, "storage": _storage(found)}
        time.sleep(POLL_SECONDS)


def _is_before(version: str, other: str) -> bool:
    """Tell whether a minor version is older than another one. An unknown one is not."""
    return bool(version) and bool(other) and _numbers(version) < _numbers(other)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _answers(cluster: Etcd) -> dict[str, dict[str, t.Any]]:
    """Return the statuses of the members that answer."""
    found = {}
    for url in sorted(cluster.endpoints):
        with contextlib.suppress(EtcdError):
            found[url] = cluster.call(_STATUS, url=url)
    return found


def _statuses(cluster: Etcd) -> dict[str, dict[str, t.Any]]:
    return {url: cluster.call(_STATUS, url=url) for url in sorted(cluster.endpoints)}


def _storage(statuses: dict[str, dict[str, t.Any]]) -> dict[str, str]:
    return {url: status.get("storageVersion", "") for url, status in statuses.items()}


def _target(status: dict[str, t.Any]) -> str:
    """Return the minor to which a downgrade is enabled, or nothing."""
    info = status.get("downgradeInfo") or {}
    return minor(info.get("targetVersion", "")) if info.get("enabled") else ""

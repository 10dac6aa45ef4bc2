# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prepare a cluster of etcd for binaries of the minor before: its members then store what these can read."""

from __future__ import annotations

import time
import typing as t

from .._errors import HostError
from .client import Etcd

__all__ = ("downgrade", "minor")

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


def _statuses(cluster: Etcd) -> dict[str, dict[str, t.Any]]:
    return {url: cluster.call(_STATUS, url=url) for url in sorted(cluster.endpoints)}


def _storage(statuses: dict[str, dict[str, t.Any]]) -> dict[str, str]:
    return {url: status.get("storageVersion", "") for url, status in statuses.items()}


def _target(status: dict[str, t.Any]) -> str:
    """Return the minor to which a downgrade is enabled, or nothing."""
    info = status.get("downgradeInfo") or {}
    return minor(info.get("targetVersion", "")) if info.get("enabled") else ""

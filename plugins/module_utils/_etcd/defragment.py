# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Return the free space of etcd's databases to the file system, one member after the other.

A member answers nothing while it defragments, so all others must be healthy then, and the leader is the last.
"""

from __future__ import annotations

import time
import typing as t

from . import membership
from .client import Etcd, EtcdError, explain

__all__ = ("Database", "NO_SPACE", "Defragmentation", "order", "still_full")

NO_SPACE = "NOSPACE"
POLL_SECONDS = 0.1
MIB = 1024 * 1024
_LEAST = 8 * MIB  # of free space; for less, no member need stop answering


class Database(t.NamedTuple):
    """The database of one member, in bytes."""

    name: str
    member: int
    url: str
    size: int
    in_use: int
    quota: int
    leader: bool


def order(databases: t.Iterable[Database], free_percent: int, least: int = _LEAST) -> list[Database]:
    """Return the databases with at least this much free space, that of the leader last."""
    due = [database for database in databases if database.size - database.in_use >= max(least, database.size * free_percent / 100)]
    return sorted(due, key=lambda database: (database.leader, database.name))


def still_full(databases: t.Iterable[Database]) -> list[str]:
    """Return the databases that are not below their quota, as text."""
    return [
        f"{database.name} with {database.size / MIB:.0f} of {database.quota / MIB:.0f} MiB"
        for database in databases
        if database.quota and database.size >= database.quota
    ]


class Defragmentation:
    """The defragmentation of a cluster. It refuses a cluster that is not healthy, but for members that are full."""

    def __init__(self, params: dict[str, t.Any]) -> None:
        """Read the state of the cluster, and decide which members are due."""
        self.etcd = Etcd(params)
        self._patient = Etcd({**params, "timeout": params["defragment_timeout"]})
        self._seconds: float = params["wait_timeout"]
        self.etcd.wait_healthy(0)
        _cluster, self.members = membership.read(self.etcd)
        self._check_health()
        self.alarms = self._alarms()
        self.full = any(alarm["alarm"] == NO_SPACE for alarm in self.alarms)
        self.databases = self._databases()
        # A full database has little free space until its history is compacted.
        self.due = order(self.databases, 0, least=0) if self.full else order(self.databases, params["free_percent"])

    def apply(self) -> None:
        """Compact if the cluster is full, defragment what is due, and clear the alarms of members that have space again."""
        if self.full:
            self._compact()
        for database in self.due:
            self._defragment(database)
        self.databases = self._databases()
        if self.full:
            self._clear_alarms()

    def _check_health(self) -> None:
        """Refuse members that are not healthy: with another one that defragments, the quorum may be lost."""
        health = self.etcd.health(url for member in self.members for url in member.client_urls)
        well = membership.healthy(self.members, health)
        if len(well) < len(self.members):
            sick = [f"{member.name or f'{member.id:x}'} ({membership.reason(member, health)})" for member in self.members if member not in well]
            expected = f"expected all {len(self.members)} healthy. Run health.yml, which names the cause"
            raise EtcdError(f"found members of etcd that are not healthy: {'; '.join(sick)}; {expected}")

    def _alarms(self) -> list[dict[str, t.Any]]:
        return self.etcd.call("/v3/maintenance/alarm", {"action": "GET"}).get("alarms", [])

    def _databases(self) -> list[Database]:
        found = []
        for member in self.members:
            url = member.client_urls[0]
            status = self.etcd.call("/v3/maintenance/status", url=url)
            size, in_use, quota = (int(status.get(name, 0)) for name in ("dbSize", "dbSizeInUse", "dbSizeQuota"))
            found.append(Database(member.name, member.id, url, size, in_use, quota, int(status.get("leader", 0)) == member.id))
        return found

    def _compact(self) -> None:
        """Drop the history. The API servers, which do it every five minutes, cannot in a full database."""
        revision = self.etcd.call("/v3/maintenance/status")["header"]["revision"]
        try:
            self._patient.call("/v3/kv/compaction", {"revision": revision, "physical": True})
        except EtcdError as error:
            if "has been compacted" not in error.reason:
                raise

    def _defragment(self, database: Database) -> None:
        """Defragment one member. The leader hands over first, so that the cluster need not wait for an election."""
        status = self.etcd.call("/v3/maintenance/status", url=database.url)
        others = [member for member in self.members if member.id != database.member and not member.learner]
        if int(status.get("leader", 0)) == database.member and others:
            self.etcd.call("/v3/maintenance/transfer-leadership", {"targetID": str(others[0].id)}, url=database.url)
        self._patient.call("/v3/maintenance/defragment", url=database.url)
        self._wait(database)

    def _wait(self, database: Database) -> None:
        """Wait until all members are healthy again, before the next one stops answering."""
        deadline = time.monotonic() + self._seconds
        urls = [url for member in self.members for url in member.client_urls]
        while any(reasons := self.etcd.health(urls).values()):
            if time.monotonic() > deadline:
                sick = explain({url: reason for url, reason in zip(urls, reasons) if reason})
                raise EtcdError(f"after the defragmentation of {database.name}, not all members are healthy within {self._seconds:g} seconds: {sick}")
            time.sleep(POLL_SECONDS)

    def _clear_alarms(self) -> None:
        full = still_full(self.databases)
        if full:
            raise EtcdError(
                f"found databases that are full even after the defragmentation: {', '.join(full)}; expected less. "
                "Raise etcd_quota_mib, run site.yml, and then this again"
            )
        for alarm in self._alarms():
            if alarm["alarm"] == NO_SPACE:
                self.etcd.call("/v3/maintenance/alarm", {"action": "DEACTIVATE", "memberID": alarm["memberID"], "alarm": NO_SPACE})

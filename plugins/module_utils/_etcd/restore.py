# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore a member of etcd from a snapshot that its host has received, and compare the restored members.

All members get the same snapshot. The token of the restore gives the cluster an ID that none before it had, so a member with older data is refused by
the others, and a host shows by its data whether it is restored. Former data is moved aside.
"""

from __future__ import annotations

import collections
import http.client
import os
import pwd
import shutil
import time
import typing as t
from pathlib import Path

from .._backup.artifact import digest_of_file
from .._backup.work import Work, check_free
from .._command import run
from .._errors import HostError
from .._files import make_directory
from .._job import systemd
from . import metrics
from .client import Etcd, EtcdError, explain, prefix_end, to_bytes
from .identifiers import cluster_id
from .join import is_active
from .registry import REGISTRY, pairs, resource
from .wal import identity

__all__ = ("MemberRestore",)

_POLL_SECONDS = 0.2


class MemberRestore:
    """One restore on this host."""

    def __init__(self, params: t.Mapping[str, t.Any]) -> None:
        """Take the options of the module."""
        self._params = params
        self._parent: str = params["directory"]
        self._work = Work(self._parent, params["id"])
        self._data = Path(params["data_directory"])

    def living(self) -> int:
        """Return the revision of this member, 0 if it does not answer. It needs no password, which may be lost with the store."""
        try:
            return metrics.revision(self._params["metrics"])
        except (OSError, http.client.HTTPException):
            return 0

    def prepare(self) -> bool:
        """Return whether the snapshot is here. If it is not, make room for it."""
        size = self._params["size"]
        try:
            if digest_of_file(self._work.snapshot) == (size, self._params["sha256"]):
                return True
        except FileNotFoundError:
            pass
        self.remove()
        # The snapshot and the restored data may be on one file system.
        for directory, needed in ((self._parent, 2 * size), (self._params["data_directory"], size)):
            check_free(directory, needed, "the restored data")
        make_directory(self._parent)
        os.mkdir(self._work.path, 0o700)
        return False

    def receive(self) -> int:
        """Add a piece to the snapshot, and return its new size."""
        return self._work.append(self._params["offset"], self._params["content"])

    def restore(self) -> bool:
        """Put the restored data in place, start etcd, and return whether that changed anything."""
        replaces = not self._is_restored()
        if replaces:
            self._work.check_snapshot(self._params["size"], self._params["sha256"])
            run("systemctl", "stop", f"{self._params['unit']}.service")
            self._replace(self._restored())
        Path(self._params["bootstrap_file"]).unlink(missing_ok=True)
        starts = not is_active(self._params["unit"])
        if starts:
            systemd.start([self._params["unit"]])
        return replaces or starts

    def verify(self) -> bool:
        """Compare all members with each other and with the backup, as of the restored revision.

        Return whether that was possible: API servers that ran since then have compacted it.
        """
        etcd = Etcd(dict(self._params))
        self._await_all(etcd)
        try:
            self._compare(etcd, str(self._params["revision"]))
        except EtcdError as error:
            if "compacted" not in error.reason:
                raise
            return False
        return True

    def _compare(self, etcd: Etcd, revision: str) -> None:
        # Leases that ended since the restore have deleted keys, so the newest revision does not count.
        answers = {url: etcd.call("/v3/maintenance/hashkv", {"revision": revision}, url=url) for url in list(etcd.endpoints)}
        found = {url: (answer.get("hash", 0), int(answer.get("compact_revision", 0))) for url, answer in answers.items()}
        if len(set(found.values())) != 1:
            raise HostError(f"etcd: found members that differ after the restore, expected equal ones: {found}")
        whole = {"key": to_bytes("\0"), "range_end": prefix_end(""), "count_only": True, "revision": revision}
        keys, wanted = int(etcd.call("/v3/kv/range", whole).get("count", 0)), self._params["objects"]
        objects = dict(collections.Counter(resource(key) for key, _value in pairs(etcd, REGISTRY, keys_only=True, revision=int(revision))))
        if (keys, objects) != (self._params["keys"], wanted):
            differing = sorted(name for name in {*objects, *wanted} if objects.get(name) != wanted.get(name))
            raise HostError(
                f"etcd: found {keys} keys after the restore, expected the {self._params['keys']} of the backup; resources that differ: "
                f"{', '.join(differing) or 'none'}"
            )

    def remove(self) -> None:
        """Remove the snapshot."""
        self._work.remove()

    def _is_restored(self) -> bool:
        found = identity(str(self._data))
        return found is not None and found.cluster == self._expected

    @property
    def _expected(self) -> int:
        return cluster_id(self._params["members"].values(), self._params["token"])

    def _restored(self) -> Path:
        """Restore the snapshot into a directory on the file system of the data, and return it."""
        target = self._data / "restored"
        shutil.rmtree(target, ignore_errors=True)
        members = self._params["members"]
        flags = {
            "data-dir": target,
            "name": self._params["name"],
            "initial-cluster": ",".join(f"{name}={url}" for name, url in members.items()),
            "initial-advertise-peer-urls": members[self._params["name"]],
            "initial-cluster-token": self._params["token"],
            "bump-revision": self._params["bump"],
        }
        program = os.path.join(self._params["programs"], "etcdutl")
        run(program, "snapshot", "restore", self._work.snapshot, *(f"--{name}={value}" for name, value in flags.items()), "--mark-compacted")
        found = identity(str(target))
        if found is None or found.cluster != self._expected:
            raise HostError(f"{target}: found data of cluster {found.cluster if found else 0:x} after the restore, expected {self._expected:x}")
        account = self._account
        for parent, directories, files in os.walk(target):
            for path in (parent, *(os.path.join(parent, name) for name in (*directories, *files))):
                os.chown(path, account.pw_uid, account.pw_gid)
        return target

    @property
    def _account(self) -> pwd.struct_passwd:
        try:
            return pwd.getpwnam(self._params["account"])
        except KeyError as error:
            raise HostError(f"account: found no {self._params['account']} on this host, expected the one that role etcd creates") from error

    def _replace(self, restored: Path) -> None:
        """Exchange the data for the restored one. A run that ends in between leaves no data, with which etcd does not start."""
        member = self._data / "member"
        if member.exists():
            member.rename(self._data / f"member.before-restore-{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 10**9:09}")
        (restored / "member").rename(member)
        shutil.rmtree(restored)
        run("sync", "--file-system", str(self._data))

    def _await_all(self, etcd: Etcd) -> None:
        deadline = time.monotonic() + self._params["wait_timeout"]
        while any((reasons := etcd.health(etcd.endpoints)).values()):
            if time.monotonic() > deadline:
                raise EtcdError(f"etcd: found members that are not healthy after the restore, expected all of them to be: {explain(reasons)}")
            time.sleep(_POLL_SECONDS)

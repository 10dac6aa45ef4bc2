# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A snapshot of etcd that counts only after it has been restored: a scratch etcd on loopback answers from it, under another cluster ID.

The database of a member is a directory for that member: {id}/snapshot, {id}/scratch. The scratch etcd has the member's own certificates, and so
accepts the same clients only. It dies with this process.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import hashlib
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time
import typing as t

from .._backup.work import check_free, read_piece
from .._command import run, search_path
from .._errors import HostError
from .._files import make_directory
from .client import Etcd, EtcdError, explain, prefix_end, to_bytes
from .registry import REGISTRY, SECRETS, encryption, pairs, resource

__all__ = ("ID", "Snapshot")

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

_POLL_SECONDS = 0.2
_OLD_SECONDS = 24 * 3600  # after which a directory was left by a run that ended
_SUFFIX = 32  # bytes: etcd ends a snapshot with the SHA-256 of the database
_PAGE = 512  # the size of a database is a multiple of it
_MOST_SAMPLE = 2 << 20
_LOG_LINES = 5


class Snapshot:
    """The snapshot with an ID on this host."""

    def __init__(self, params: t.Mapping[str, t.Any]) -> None:
        """Take the options of the module."""
        if not ID.fullmatch(params["id"]):
            raise HostError(f"id: found {params['id']!r}, expected letters, digits, and . _ -")
        self._params = params
        self._parent: str = params["directory"]
        self._directory = os.path.join(self._parent, params["id"])
        self._path = os.path.join(self._directory, "snapshot")
        self._scratch = os.path.join(self._directory, "scratch")
        self._programs = {name: os.path.join(params["programs"], name) for name in ("etcd", "etcdutl")}
        self._etcd = Etcd(dict(params))
        self._url: str = params["url"].rstrip("/")

    def take(self) -> dict[str, t.Any]:
        """Save a snapshot, restore it into a scratch etcd, and return what that has. Remove both if it is not good."""
        begin = time.monotonic()
        self._check_host()
        status = self._etcd.call("/v3/maintenance/status", url=self._url)
        leader = status.get("leader") == status["header"]["member_id"]
        self._prepare(int(status["dbSize"]))
        try:
            # Linearizable: everything that was acknowledged before is in a snapshot with this revision.
            least = int(self._etcd.call("/v3/kv/range", {"key": to_bytes("\0"), "count_only": True}, url=self._url)["header"]["revision"])
            size, digest = self._save()
            described = json.loads(run(*self._as_account(), self._programs["etcdutl"], "snapshot", "status", self._path, "--write-out=json"))
            revision = int(described["revision"])
            if revision < least:
                raise HostError(f"{self._url}: found a snapshot of revision {revision}, expected {least} or more, which the cluster had before")
            found = self._verify(status["header"]["cluster_id"])
            if found["revision"] != revision:
                raise HostError(f"{self._path}: found revision {found['revision']} after its restore, expected {revision}")
            self._compare(revision, found["key_count"])
        except BaseException:
            self.remove()
            raise
        return {
            "size": size,
            "sha256": digest,
            "member": self._url,
            "leader": leader,
            "etcd_version": status["version"],
            "storage_version": status.get("storageVersion") or described.get("version") or "",
            "cluster_id": f"{int(status['header']['cluster_id']):x}",
            **found,
            "seconds": round(time.monotonic() - begin, 1),
        }

    def read(self, offset: int) -> str:
        """Return a piece of the snapshot, compressed and in base64."""
        return read_piece(self._path, offset)

    def remove(self) -> bool:
        """Remove the snapshot, and return whether there was one."""
        found = os.path.isdir(self._directory)
        shutil.rmtree(self._directory, ignore_errors=True)
        return found

    def _check_host(self) -> None:
        """Refuse a host without the programs or the account."""
        _found = self._account
        for program in self._programs.values():
            if not os.access(program, os.X_OK):
                raise HostError(f"{program}: found no program, expected the one that role etcd installs; run site.yml")

    def _prepare(self, database: int) -> None:
        """Make the directory, and remove those of runs that ended long ago. The snapshot and its restored copy need space."""
        make_directory(self._parent)
        os.chmod(self._parent, 0o711)  # whatever the umask is, the account must reach its directory
        for name in os.listdir(self._parent):
            path = os.path.join(self._parent, name)
            with contextlib.suppress(OSError):
                if os.lstat(path).st_mtime < time.time() - _OLD_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)
        check_free(self._parent, 2 * database, "a snapshot and its restore")
        try:
            os.mkdir(self._directory, 0o711)
            os.chmod(self._directory, 0o711)
            os.mkdir(self._scratch, 0o700)
        except FileExistsError as error:
            raise HostError(f"{self._directory}: found a snapshot of the same name; another run is making it") from error
        if self._account:
            os.chown(self._scratch, self._account.pw_uid, self._account.pw_gid)

    @property
    def _account(self) -> pwd.struct_passwd | None:
        """The account that etcd runs as, if it is another one."""
        try:
            account = pwd.getpwnam(self._params["account"])
        except KeyError as error:
            raise HostError(f"account: found no {self._params['account']} on this host, expected the one that role etcd creates; run site.yml") from error
        return None if account.pw_uid == os.geteuid() else account

    def _as_account(self) -> list[str]:
        """Return the beginning of a command as that account, with a low priority. A process that it starts ends with this one."""
        account = self._account
        change = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"] if account else []
        # If memory becomes short, the kernel is to end this process and not the member.
        return ["setpriv", "--pdeathsig=KILL", *change, "choom", "-n", "1000", "--", "nice", "-n", "10"]

    def _save(self) -> tuple[int, str]:
        """Write the snapshot, and return its size and SHA-256. etcd ends it with a SHA-256 of the rest."""
        whole, inner, held, size = hashlib.sha256(), hashlib.sha256(), b"", 0
        with open(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640), "wb") as stream:
            if self._account:
                os.fchown(stream.fileno(), os.geteuid(), self._account.pw_gid)
            os.fchmod(stream.fileno(), 0o640)
            for message in self._etcd.messages(self._url, "/v3/maintenance/snapshot"):
                blob = base64.b64decode(message.get("blob", ""))
                stream.write(blob)
                whole.update(blob)
                size += len(blob)
                held += blob
                inner.update(held[:-_SUFFIX])
                held = held[-_SUFFIX:]
            stream.flush()
            os.fsync(stream.fileno())
        if size % _PAGE != _SUFFIX or held != inner.digest():
            raise HostError(f"{self._url}: found a snapshot of {size} bytes that is cut off or damaged, expected one that ends with its SHA-256")
        return size, whole.hexdigest()

    def _verify(self, living: str) -> dict[str, t.Any]:
        """Restore the snapshot into a scratch etcd, and return what it answers."""
        url, peer_url = (f"https://127.0.0.1:{port}" for port in _free_ports(2))
        data = os.path.join(self._scratch, "data")
        token = os.urandom(16).hex()
        member = ["--name=scratch", f"--initial-cluster=scratch={peer_url}", f"--initial-advertise-peer-urls={peer_url}", f"--initial-cluster-token={token}"]
        run(*self._as_account(), self._programs["etcdutl"], "snapshot", "restore", self._path, f"--data-dir={data}", *member)
        with self._running(data, url, peer_url, member) as scratch:
            authentication = self._log_in(scratch)
            status = scratch.call("/v3/maintenance/status")
            if status["header"]["cluster_id"] == living:
                raise HostError(f"{url}: found the cluster ID of the living cluster in a restored one, expected another")
            return {"authentication": authentication, **_content(scratch)}

    @contextlib.contextmanager
    def _running(self, data: str, url: str, peer_url: str, member: list[str]) -> t.Iterator[Etcd]:
        """Run etcd on the restored data."""
        tls = {name: self._params[option] for name, option in (("trusted-ca-file", "ca_path"), ("cert-file", "certificate_path"), ("key-file", "key_path"))}
        flags = {
            "data-dir": data,
            "listen-client-urls": url,
            "advertise-client-urls": url,
            "listen-peer-urls": peer_url,
            "quota-backend-bytes": 8 << 30,
            "log-level": "warn",
            **{f"{prefix}{name}": path for prefix in ("", "peer-") for name, path in tls.items()},
        }
        switches = ["--client-cert-auth", "--peer-client-cert-auth", "--unsafe-no-fsync"]
        command = [*self._as_account(), self._programs["etcd"], *member, *(f"--{name}={value}" for name, value in flags.items()), *switches]
        environment = {"PATH": search_path(os.environ.get("PATH", os.defpath))}
        # run_command would wait for the end of the process.
        # pylint: disable-next=ansible-bad-function
        with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment) as process:
            try:
                scratch = Etcd({**self._params, "endpoints": [url], "timeout": max(30, self._params["timeout"])})
                deadline = time.monotonic() + self._params["verify_timeout"]
                while reason := scratch.health([url])[url]:
                    if process.poll() is not None or time.monotonic() > deadline:
                        state = "has ended" if process.returncode is not None else "is not healthy"
                        raise HostError(f"scratch etcd on the snapshot of {self._url} {state}: {reason}\n{_end_of(log)}")
                    time.sleep(_POLL_SECONDS)
                yield scratch
            finally:
                process.kill()

    def _log_in(self, scratch: Etcd) -> bool:
        """Return whether the snapshot has authentication enabled. Then the user must be able to log in, as after a restore."""
        try:
            if not scratch.call("/v3/auth/status").get("enabled"):
                return False
        except EtcdError as error:
            raise HostError(f"the snapshot of {self._url}: {error.reason or error}; a restored cluster would refuse the password in the store") from error
        passwords = [self._params["password"], *self._params["former_passwords"]]
        if not any(scratch.password_is_right(scratch.user, password) for password in passwords if password):
            raise HostError(f"the snapshot of {self._url}: user {scratch.user} cannot log in; a restored cluster would refuse the password in the store")
        return True

    def _compare(self, revision: int, keys: int) -> None:
        """Compare the number of keys with that of another member at the same revision. Members that differ are damaged."""
        reasons = self._etcd.health(self._etcd.endpoints)
        others = [url for url, reason in sorted(reasons.items()) if not reason and url != self._url]
        if len(self._etcd.endpoints) > 1 and not others:
            raise HostError(f"etcd: found no other healthy member, expected one to compare the snapshot with: {explain(reasons)}")
        for url in others[:1]:
            request = {"key": to_bytes("\0"), "range_end": prefix_end(""), "count_only": True, "revision": revision, "serializable": True}
            try:
                found = int(self._etcd.call("/v3/kv/range", request, url=url).get("count", 0))
            except EtcdError as error:
                if "compacted" in error.reason or "future revision" in error.reason:
                    return  # it cannot tell any more, or not yet
                raise
            if found != keys:
                raise HostError(f"{url}: found {found} keys at revision {revision}, expected the {keys} of the snapshot; one of the members is damaged")


def _content(etcd: Etcd) -> dict[str, t.Any]:
    """Return the revision, the number of keys, the objects by resource, the Secrets by encryption key, and one encrypted Secret of each."""
    answer = etcd.call("/v3/kv/range", {"key": to_bytes("\0"), "range_end": prefix_end(""), "count_only": True})
    objects = collections.Counter(resource(key) for key, _value in pairs(etcd, REGISTRY, keys_only=True))
    secrets: collections.Counter[str] = collections.Counter()
    samples: dict[str, dict[str, str]] = {}
    for key, value in pairs(etcd, SECRETS):
        label = encryption(value)
        secrets[label] += 1
        if label not in samples and len(value) <= _MOST_SAMPLE:
            samples[label] = {"key": key, "value": base64.b64encode(value).decode()}
    samples.pop("plain", None)
    return {
        "revision": int(answer["header"]["revision"]),
        "key_count": int(answer.get("count", 0)),
        "objects": dict(sorted(objects.items())),
        "secrets": dict(sorted(secrets.items())),
        "samples": samples,
    }


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _index in range(count)]
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in sockets]


def _end_of(log: t.BinaryIO) -> str:
    log.seek(0)
    return "\n".join(log.read().decode(errors="replace").strip().splitlines()[-_LOG_LINES:])

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys, certificates and bundles as files on a host.

A new key waits beside its place (<path>.key.new) until its certificate is there, so that key and certificate on disk belong
together at any time, whenever a run ends. Only between two renames they do not; the next run sees that and asks for a certificate
for the key that it finds.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import grp
import os
import pwd
import stat
import typing as t

from .._accounts import ensure_account
from .._errors import HostError
from .._files import write_atomically
from .keys import KEY_TYPES, PublicKey, generate, public_key

__all__ = ("SPEC", "read", "write")

SPEC = {
    "phase": {"type": "str", "required": True, "choices": ["read", "write"]},
    "certificates": {"type": "list", "elements": "dict", "required": True},
    "bundles": {"type": "list", "elements": "dict", "required": True},
    "key_type": {"type": "str", "required": True, "choices": list(KEY_TYPES), "no_log": False},
    "since": {"type": "float", "default": 0},
}


def read(pki: dict, check_mode: bool) -> dict:
    """Return the files as they are. Missing, unreadable, differently typed and older keys are made, to take their place later."""
    certificates, bundle_paths = pki["certificates"], [bundle["path"] for bundle in pki["bundles"]]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        keys = list(pool.map(lambda entry: _key(entry["path"], pki["key_type"], pki["since"], check_mode), certificates))
    return {
        "certificates": [
            {
                "path": entry["path"],
                "public_key": key.der if key else None,
                "certificate": _content(f"{entry['path']}.crt"),
            }
            for entry, key in zip(certificates, keys)
        ],
        "bundles": [{"path": path, "content": _content(path)} for path in bundle_paths],
        "drift": {path: drift for path, drift in _drifts(certificates, bundle_paths) if drift},
    }


def write(certificates: list[dict], bundles: list[dict]) -> None:
    """Write bundles, then keys with their certificates, then correct owners and modes."""
    for account in {entry["owner"] for entry in certificates}:
        ensure_account(account)
    for bundle in bundles:
        if bundle["content"] is not None:
            os.makedirs(os.path.dirname(bundle["path"]), mode=0o755, exist_ok=True)
            write_atomically(bundle["path"], bundle["content"].encode(), 0o644)
    for entry in certificates:
        if entry["certificate"] is not None:
            _install(entry)
    for path, drift in _drifts(certificates, [bundle["path"] for bundle in bundles]):
        if drift:
            account = pwd.getpwnam(drift["after"]["owner"])
            os.chown(path, account.pw_uid, account.pw_gid)
            os.chmod(path, int(drift["after"]["mode"], 8))


def _key(path: str, key_type: str, since: float, check_mode: bool) -> PublicKey | None:
    """Return the key that the certificate shall be for."""
    for candidate in (f"{path}.key", f"{path}.key.new"):  # the latter is left of a run that was interrupted
        key = public_key(candidate)
        if key and key.type == key_type and os.stat(candidate).st_mtime >= since:
            return key
    if check_mode:
        return None
    new = generate(key_type)
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with _locked(path):
        key = public_key(f"{path}.key.new")
        if not key or key.type != key_type or os.stat(f"{path}.key.new").st_mtime < since:  # else another run was faster
            write_atomically(f"{path}.key.new", new, 0o600)
            _date(f"{path}.key.new", since)
            key = public_key(f"{path}.key.new")
    return key


def _date(path: str, since: float) -> None:
    """Let what was made a moment ago not look older than the controller asks for, where this host's clock is behind: it would be made again and again."""
    if os.stat(path).st_mtime < since:
        os.utime(path, (since, since))


def _install(entry: dict) -> None:
    """Put a certificate in its place, and before it the key that it is for, where that is not there yet."""
    path = entry["path"]
    with _locked(path):
        place, waiting = (public_key(f"{path}.key{suffix}") for suffix in ("", ".new"))
        if not place or place.der != entry["public_key"]:
            if not waiting or waiting.der != entry["public_key"]:
                raise HostError(f"{path}.key: replaced by someone else during this run; run it again")
            account = pwd.getpwnam(entry["owner"])
            os.chown(f"{path}.key.new", account.pw_uid, account.pw_gid)
            os.rename(f"{path}.key.new", f"{path}.key")
        write_atomically(f"{path}.crt", entry["certificate"].encode(), 0o644)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}.key.new")


@contextlib.contextmanager
def _locked(path: str) -> t.Iterator[None]:
    """Hold the directory, so that of two runs at once each installs a whole pair."""
    descriptor = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _content(path: str) -> str | None:
    """Return a text file; one that is no text is as good as none."""
    try:
        with open(path, "rb") as stream:
            return stream.read().decode("ascii", "replace")
    except FileNotFoundError:
        return None


def _drifts(certificates: list[dict], bundle_paths: list[str]) -> t.Iterator[tuple[str, dict | None]]:
    for entry in certificates:
        yield f"{entry['path']}.key", _drift(f"{entry['path']}.key", entry["owner"], 0o600)
        yield f"{entry['path']}.crt", _drift(f"{entry['path']}.crt", "root", 0o644)
    for path in bundle_paths:
        yield path, _drift(path, "root", 0o644)


def _drift(path: str, owner: str, mode: int) -> dict | None:
    """Return owner, group and mode of a file that is there as they are and as they must be, if they differ."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    before = {
        "owner": _name(pwd.getpwuid, status.st_uid),
        "group": _name(grp.getgrgid, status.st_gid),
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
    }
    after = {"owner": owner, "group": _group(owner), "mode": f"{mode:04o}"}
    return {"before": before, "after": after} if before != after else None


def _name(database: t.Callable, number: int) -> str:
    try:
        return database(number)[0]
    except KeyError:
        return str(number)


def _group(owner: str) -> str:
    """Return the name of an account's own group; one that is still to be made gets a group of its name."""
    try:
        return _name(grp.getgrgid, pwd.getpwnam(owner).pw_gid)
    except KeyError:
        return owner

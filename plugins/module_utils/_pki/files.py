# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host's part: private keys, certificates and CA bundles as files, and the options that name them.

A new key is written to <path>.key.new and moved into place together with its certificate, so key and certificate on disk match
even if a run is interrupted. Between the two renames they do not; the next run sees that and asks for a certificate for the key
that it finds.
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

__all__ = ("CERTIFICATES", "NAMES", "SPEC", "USAGES", "read", "write")

USAGES = ("client_auth", "server_auth")

# These specs are documented in doc_fragments/_certificates.py. They are here since module job, which takes them, ships no other file for certificates.
NAMES = {
    "common_name": {"type": "str", "default": ""},
    "organizations": {"type": "list", "elements": "str", "default": []},
    "alternative_names": {"type": "list", "elements": "str", "default": []},
}
CERTIFICATES = {
    "type": "list",
    "elements": "dict",
    "options": {
        "path": {"type": "path", "required": True},
        "authority": {"type": "str", "required": True},
        "authority_path": {"type": "path"},
        **NAMES,
        "usages": {"type": "list", "elements": "str", "choices": list(USAGES), "required": True},
        "owner": {"type": "str", "default": "root"},
    },
}
_PATH = {"path": {"type": "path", "required": True}}
_KEY = {"owner": {"type": "str", "required": True}, "public_key": {"type": "str", "no_log": False}, "certificate": {"type": "str"}}
SPEC = {
    "phase": {"type": "str", "required": True, "choices": ["read", "write"]},
    "certificates": {"type": "list", "elements": "dict", "required": True, "options": {**_PATH, **_KEY}},
    "bundles": {"type": "list", "elements": "dict", "required": True, "options": {**_PATH, "content": {"type": "str"}}},
    "key_type": {"type": "str", "required": True, "choices": list(KEY_TYPES), "no_log": False},
    "since": {"type": "float", "default": 0},
}


def read(pki: dict, check_mode: bool) -> dict:
    """Return the files as they are. A key that is missing, unreadable, too old or of another type is generated, and waits for its certificate."""
    certificates, bundle_paths = pki["certificates"], [bundle["path"] for bundle in pki["bundles"]]

    def state(entry: dict) -> dict:
        key = _key(entry["path"], pki["key_type"], pki["since"], check_mode)
        return {"path": entry["path"], "public_key": key.der if key else None, "certificate": _content(f"{entry['path']}.crt")}

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        states = list(pool.map(state, certificates))
    return {
        "certificates": states,
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
    """Return the public key for the certificate, None in check mode if a new key is due."""
    for candidate in (f"{path}.key", f"{path}.key.new"):  # an interrupted run leaves the latter
        key = public_key(candidate)
        if key and key.type == key_type and os.stat(candidate).st_mtime >= since:
            return key
    if check_mode:
        return None
    new = generate(key_type)
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with _locked(path):
        key = public_key(f"{path}.key.new")
        if not key or key.type != key_type or os.stat(f"{path}.key.new").st_mtime < since:  # unless another run was faster
            write_atomically(f"{path}.key.new", new, 0o600)
            _date(f"{path}.key.new", since)
            key = public_key(f"{path}.key.new")
    return key


def _date(path: str, since: float) -> None:
    """Keep a new key from looking older than since if this host's clock is behind: every run would replace it."""
    if os.stat(path).st_mtime < since:
        os.utime(path, (since, since))


def _install(entry: dict) -> None:
    """Write a certificate, after moving its key into place if that is new."""
    path = entry["path"]
    with _locked(path):
        place, waiting = (public_key(f"{path}.key{suffix}") for suffix in ("", ".new"))
        if not place or place.der != entry["public_key"]:
            if not waiting or waiting.der != entry["public_key"]:
                raise HostError(f"{path}.key: another process replaced it during this run; run again")
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
    """Return a file as text, bytes that are not ASCII replaced; None if there is no file."""
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
    """Return owner, group and mode of an existing file as they are and as they must be, if they differ."""
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
    """Return the name of an account's primary group; a new account gets a group of its own name."""
    try:
        return _name(grp.getgrgid, pwd.getpwnam(owner).pw_gid)
    except KeyError:
        return owner

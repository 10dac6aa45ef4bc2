# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The credential store: named records with versions, each of a public and a secret part, in a directory on the director.

A store has three operations (get, put, names); put is a compare-and-set on the version, so that of two runs which make the same
record at once one loses and takes what the other made. What another backend needs is no more than that.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import json
import os
import pwd
import re
import typing as t

from ._errors import HostError
from ._files import make_directory, write_atomically

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    pass  # _x509.CRYPTOGRAPHY_ERROR tells

__all__ = ("Conflict", "FileStore", "Record", "keep")

_NAME = re.compile(r"[a-z]+/[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")
_KEPT_VERSIONS = 10


class Conflict(Exception):
    """The record has another version by now."""


@dataclasses.dataclass(frozen=True)
class Record:
    """One version of a record."""

    version: int
    public: dict
    secret: t.Callable[[], dict]  # opened when it is needed


def keep(store: FileStore, name: str, make: t.Callable[[], tuple[dict, dict]]) -> Record:
    """Return the record, made if there is none; whoever comes second takes what the first one made."""
    record = store.get(name)
    if record is None:
        with contextlib.suppress(Conflict):
            store.put(name, *make(), version=0)
        record = store.get(name)
    return record


class FileStore:
    """A store in a directory: a file of mode 0600 for each record, replaced as a whole under a lock."""

    def __init__(self, directory: str, passphrase: str | None = None) -> None:
        self.directory = os.path.expanduser(directory)
        self._passphrase = passphrase or None
        self._settings = os.path.join(self.directory, "store.json")
        settings = _load(self._settings)
        if settings and self._passphrase and not settings.get("check"):
            raise HostError(f"{self._settings}: the store is not encrypted, yet a passphrase is given")

    def get(self, name: str) -> Record | None:
        """Return the newest version of a record."""
        content = _load(self._path(name))
        return self._record(name, content["versions"][-1]) if content else None

    def names(self, kind: str) -> list[str]:
        """Return the names of the records of one kind."""
        directory = os.path.join(self.directory, kind)
        try:
            return sorted(entry[: -len(".json")] for entry in os.listdir(directory) if entry.endswith(".json"))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise HostError(f"{directory}: cannot be read: {error.strerror}") from error

    def put(self, name: str, public: dict, secret: dict, version: int) -> Record:
        """Add a version to a record if it still has the given one; 0 means that there is none yet."""
        with self._lock():
            self._check_settings()
            content = _load(self._path(name)) or {"versions": []}
            if version != (content["versions"][-1]["version"] if content["versions"] else 0):
                raise Conflict(name)
            new = {"version": version + 1, "public": public, "secret": self._seal(name, secret) if self._passphrase else secret}
            content["versions"] = [*content["versions"], new][-_KEPT_VERSIONS:]
            make_directory(os.path.dirname(self._path(name)), 0o700)
            _save(self._path(name), content)
        return self._record(name, new)

    def _path(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise HostError(f"{name.partition('/')[2]!r} is no name for the store: allowed are a-z, 0-9, and inside of it . _ -")
        return os.path.join(self.directory, f"{name}.json")

    def _record(self, name: str, content: dict) -> Record:
        return Record(content["version"], content["public"], functools.partial(self._open, name, content["secret"]))

    @contextlib.contextmanager
    def _lock(self) -> t.Iterator[None]:
        try:
            make_directory(self.directory, 0o700)
            descriptor = os.open(os.path.join(self.directory, ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise HostError(f"{error.filename}: the store cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _check_settings(self) -> None:
        """Never let one store hold secrets under two passphrases: the settings know one by a value sealed with it."""
        settings = _load(self._settings)
        if settings is None:
            settings = {"format": 1}
            if self._passphrase:
                settings["check"] = self._seal("check", {})
            _save(self._settings, settings)
        elif settings.get("check"):
            self._open("check", settings["check"], path=self._settings)

    def _seal(self, name: str, secret: dict) -> dict:
        salt, nonce = self._salt, os.urandom(12)
        sealed = AESGCM(self._key(salt)).encrypt(nonce, json.dumps(secret).encode(), name.encode())
        return {"sealed": {part: base64.b64encode(value).decode() for part, value in (("salt", salt), ("nonce", nonce), ("text", sealed))}}

    def _open(self, name: str, secret: dict, path: str | None = None) -> dict:
        if "sealed" not in secret:
            return secret
        path = path or self._path(name)
        if not self._passphrase:
            raise HostError(f"{path}: encrypted, yet no passphrase is given")
        try:
            salt, nonce, text = (base64.b64decode(secret["sealed"][part]) for part in ("salt", "nonce", "text"))
            return json.loads(AESGCM(self._key(salt)).decrypt(nonce, text, name.encode()))
        except InvalidTag as error:
            raise HostError(f"{path}: not encrypted with the passphrase that is given, or damaged") from error
        except (KeyError, ValueError) as error:
            raise HostError(f"{path}: damaged; restore it from a backup") from error

    @functools.cached_property
    def _salt(self) -> bytes:
        """The salt of the store, so that its key is derived once; every sealed value has it beside it."""
        settings = _load(self._settings)
        return base64.b64decode(settings["check"]["sealed"]["salt"]) if settings else os.urandom(16)

    def _key(self, salt: bytes) -> bytes:
        return _derive(self._passphrase, salt)


@functools.lru_cache(maxsize=8)
def _derive(passphrase: str, salt: bytes) -> bytes:
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32)


def _load(path: str) -> dict | None:
    """Return what a file of the store holds."""
    try:
        with open(path, "rb") as stream:
            content = json.load(stream)
        if not isinstance(content, dict) or not (content.get("format") == 1 or content["versions"][-1]["version"]):
            raise ValueError("not a file of a store")
        return content
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise HostError(f"{path}: damaged, restore it from a backup ({error}); nothing was changed") from error


def _save(path: str, content: dict) -> None:
    """Replace a file of the store."""
    try:
        write_atomically(path, json.dumps(content, indent=1).encode() + b"\n", 0o600, pwd.getpwuid(os.geteuid()).pw_name)
    except OSError as error:
        raise HostError(f"{path}: cannot be written: {error.strerror}") from error

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The credential store: named records with versions, each with a public and a secret part.

With a passphrase, the secret part is encrypted, and bound to the name and the public part: without the passphrase, nobody can change either
part, or move it to another record. Someone who can write to the store can still remove versions, or put former ones back.

A backend keeps versions of opaque documents. Its write is a compare-and-set on the version, so no lock is needed: if two runs create the same
record at once, one fails and reads the record of the other.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import json
import re
import typing as t

from .._errors import HostError
from .._timestamp import to_timestamp
from .encryption import FORMER_COST, STORE_COST, check_passphrase, decrypt, encrypt, is_encrypted, new_salt, salt_of

__all__ = ("KINDS", "Backend", "Conflict", "Document", "Record", "Store", "keep", "revise")

KINDS = ("authorities", "credentials", "kubeconfigs")

# The settings hold a value encrypted with the passphrase of the store, which tells a wrong passphrase.
_SETTINGS = "store"
# Stores of format 1, made by version 0.9.0, bind a secret part to the name only. The value that proves the passphrase proves the format, too.
_FORMAT = 2
_CHECK = {1: "check", 2: "check of format 2"}
_NAME = re.compile(r"[a-z]+/[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")


class Conflict(Exception):
    """Another run has written the record since it was read."""


@dataclasses.dataclass(frozen=True)
class Document:
    """One version of a document in a backend; its content is JSON."""

    version: int
    content: dict[str, t.Any]


class Backend(t.Protocol):
    """The interface of backends. A name is kind/name, or the one word of the settings."""

    def __str__(self) -> str:
        """Return the location, for messages."""

    def where(self, name: str) -> str:
        """Return the location of a document, for messages."""

    def names(self, kind: str) -> list[str]:
        """Return the names of the documents of one kind."""

    def read(self, name: str) -> Document | None:
        """Return the newest version."""

    def history(self, name: str) -> list[Document]:
        """Return the versions that are kept, the oldest first."""

    def write(self, name: str, content: dict[str, t.Any], version: int) -> None:
        """Add a version if the newest is still the given one (0: none), and drop the oldest above the number to keep."""


@dataclasses.dataclass(frozen=True)
class Record:
    """One version of a record."""

    version: int
    created_at: str | None
    public: dict[str, t.Any]
    secret: t.Callable[[], dict[str, t.Any]]  # decrypted when needed


def revise(
    backend: Backend, name: str, change: t.Callable[[dict[str, t.Any] | None], tuple[dict[str, t.Any], dict[str, t.Any] | None]], check_mode: bool
) -> dict[str, t.Any]:
    """Change a document by compare-and-set, and return a result.

    `change` takes the content, None if there is no document, and returns the result and the new content, None to write nothing. It is called again
    with what another run has written meanwhile. In check mode nothing is written.
    """
    while True:
        document = backend.read(name)
        result, content = change(document.content if document else None)
        if content is not None and not check_mode:
            try:
                backend.write(name, content, document.version if document else 0)
            except Conflict:  # another run was faster: read again
                continue
        return result


def keep(store: Store, name: str, make: t.Callable[[], tuple[dict, dict]]) -> Record:
    """Return the record, created if there is none. If another run creates it at the same time, return that one."""
    record = store.get(name)
    if record is None:
        with contextlib.suppress(Conflict):
            store.put(name, *make(), version=0)
        record = store.get(name)
    return record


class Store:
    """The records in a backend, their secret parts encrypted if there is a passphrase."""

    def __init__(self, backend: Backend, passphrase: str | None = None) -> None:
        self._backend = backend
        self._passphrase = passphrase or None
        self._read: dict[str, Document | None] = {}  # a cache, valid until this task writes
        if self._passphrase and self._settings:
            self._refuse_plain()

    def __str__(self) -> str:
        """Return the location, for messages."""
        return str(self._backend)

    @property
    def backend(self) -> Backend:
        """The backend, for documents that are no records."""
        return self._backend

    def names(self, kind: str) -> list[str]:
        """Return the names of the records of one kind."""
        return self._backend.names(kind)

    def get(self, name: str) -> Record | None:
        """Return the newest version of a record."""
        document = self._newest(_checked(name))
        return self._record(name, document) if document else None

    def history(self, name: str) -> list[Record]:
        """Return the versions of a record that are kept, the oldest first."""
        return [self._record(name, document) for document in self._backend.history(_checked(name))]

    def put(self, name: str, public: dict, secret: dict, version: int, created_at: str | None = None) -> None:
        """Add a version to a record if its newest is still the given one; 0: there is none yet."""
        self._check_settings()
        created_at = created_at or to_timestamp(datetime.datetime.now(datetime.timezone.utc))
        content = {"created_at": created_at, "public": public}
        self._write(_checked(name), {**content, "secret": self._encrypt(secret, self._bound_to(name, content))}, version)

    def _newest(self, name: str) -> Document | None:
        if name not in self._read:
            self._read[name] = self._backend.read(name)
        return self._read[name]

    def _write(self, name: str, content: dict, version: int) -> None:
        self._read.pop(name, None)
        self._backend.write(name, content, version)

    def _record(self, name: str, document: Document) -> Record:
        content, where = document.content, self._backend.where(name)
        try:
            public, encrypted = content["public"], content["secret"]
            created_at = content.get("created_at")
        except (KeyError, AttributeError, TypeError) as error:
            raise HostError(f"{where}: damaged; restore it from a backup; nothing was changed") from error
        secret = functools.partial(self._secret, encrypted, name, {"created_at": created_at, "public": public}, where)
        if self._passphrase:
            secret()  # proves the public part
        return Record(document.version, created_at, public, secret)

    @property
    def _settings(self) -> dict[str, t.Any] | None:
        document = self._newest(_SETTINGS)
        return document.content if document else None

    @property
    def _format(self) -> int:
        found = (self._settings or {}).get("format", _FORMAT)
        if found not in _CHECK:
            raise HostError(f"{self._backend.where(_SETTINGS)}: found format {found}, expected {' or '.join(map(str, _CHECK))}")
        return found

    def _check_settings(self) -> None:
        """Keep one store from holding secrets under two passphrases."""
        if self._settings is None:
            if self._passphrase:
                check_passphrase(self._passphrase)
            with contextlib.suppress(Conflict):
                check = {"check": self._encrypt({}, _CHECK[_FORMAT])} if self._passphrase else {}
                self._write(_SETTINGS, {"format": _FORMAT, **check}, version=0)
        if self._passphrase:
            self._refuse_plain()
        if self._settings.get("check"):
            decrypt(self._settings["check"], _CHECK[self._format], self._passphrase, self._backend.where(_SETTINGS))

    def _refuse_plain(self) -> None:
        if not self._settings.get("check"):
            raise HostError(f"{self._backend.where(_SETTINGS)}: found a store without encryption and a passphrase, expected no passphrase")

    def _bound_to(self, name: str, content: dict[str, t.Any]) -> str:
        """Return the text that a secret part is bound to."""
        return name if self._format == 1 else json.dumps([name, content["created_at"], content["public"]], sort_keys=True)

    def _encrypt(self, secret: dict, bound_to: str) -> dict:
        if not self._passphrase:
            return secret
        return encrypt(secret, bound_to, self._passphrase, self._salt, FORMER_COST if self._format == 1 else STORE_COST)

    def _secret(self, secret: dict, name: str, content: dict[str, t.Any], where: str) -> dict:
        if is_encrypted(secret):
            return decrypt(secret, self._bound_to(name, content), self._passphrase, where)
        # Someone who can write to an encrypted store may not add records of their own.
        if self._passphrase:
            raise HostError(f"{where}: found a secret that is not encrypted in an encrypted store; find out who wrote it, and restore it from a backup")
        return secret

    @functools.cached_property
    def _salt(self) -> bytes:
        """The salt of the store, which every encrypted value also holds."""
        return salt_of(self._settings["check"]) if self._settings else new_salt()


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise HostError(f"name: found {name.partition('/')[2]!r}, expected a-z, 0-9 and, inside it, . _ -")
    return name

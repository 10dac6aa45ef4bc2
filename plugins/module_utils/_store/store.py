# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The credential store: named records with versions, each with a public and a secret part.

A backend keeps versions of opaque documents. Its write is a compare-and-set on the version, so no lock is needed: if two runs create the same
record at once, one fails and reads the record of the other.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import re
import typing as t

from .._errors import HostError
from .._timestamp import to_timestamp
from .encryption import decrypt, encrypt, is_encrypted, new_salt, salt_of

__all__ = ("KINDS", "Backend", "Conflict", "Document", "Record", "Store", "keep")

KINDS = ("authorities", "credentials")

# The settings hold a value encrypted with the passphrase of the store, which tells a wrong passphrase.
_SETTINGS = "store"
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
        content = {"created_at": created_at, "public": public, "secret": self._encrypt(name, secret)}
        self._write(_checked(name), content, version)

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
            secret = functools.partial(self._decrypt, name, content["secret"], where)
            return Record(document.version, content.get("created_at"), content["public"], secret)
        except (KeyError, AttributeError, TypeError) as error:
            raise HostError(f"{where}: damaged; restore it from a backup; nothing was changed") from error

    @property
    def _settings(self) -> dict[str, t.Any] | None:
        document = self._newest(_SETTINGS)
        return document.content if document else None

    def _check_settings(self) -> None:
        """Keep one store from holding secrets under two passphrases."""
        if self._settings is None:
            with contextlib.suppress(Conflict):
                check = {"check": self._encrypt(_CHECK, {})} if self._passphrase else {}
                self._write(_SETTINGS, {"format": 1, **check}, version=0)
        if self._passphrase:
            self._refuse_plain()
        if self._settings.get("check"):
            self._decrypt(_CHECK, self._settings["check"], self._backend.where(_SETTINGS))

    def _refuse_plain(self) -> None:
        if not self._settings.get("check"):
            raise HostError(f"{self._backend.where(_SETTINGS)}: found a store without encryption and a passphrase, expected no passphrase")

    def _encrypt(self, name: str, secret: dict) -> dict:
        return encrypt(secret, name, self._passphrase, self._salt) if self._passphrase else secret

    def _decrypt(self, name: str, secret: dict, where: str) -> dict:
        return decrypt(secret, name, self._passphrase, where) if is_encrypted(secret) else secret

    @functools.cached_property
    def _salt(self) -> bytes:
        """The salt of the store, which every encrypted value also holds."""
        return salt_of(self._settings["check"]) if self._settings else new_salt()


_CHECK = "check"


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise HostError(f"name: found {name.partition('/')[2]!r}, expected a-z, 0-9 and, inside it, . _ -")
    return name

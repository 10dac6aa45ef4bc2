# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The credential store: named records with versions, each of a public and a secret part.

Where they lie is a backend's affair. It keeps versions of documents whose content it does not understand, and its write is a compare-and-set
on the version: of two runs which make the same record at once one loses and takes what the other made, so that nobody needs a lock.
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
from .encryption import new_salt, salt_of, seal, unseal

__all__ = ("KINDS", "Backend", "Conflict", "Document", "Record", "Store", "keep")

KINDS = ("authorities", "credentials")

# Which passphrase the store is under, by a value that is sealed with it.
_SETTINGS = "store"
_NAME = re.compile(r"[a-z]+/[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")


class Conflict(Exception):
    """The record has another version by now."""


@dataclasses.dataclass(frozen=True)
class Document:
    """One version of a document as a backend keeps it: JSON."""

    version: int
    content: dict[str, t.Any]


class Backend(t.Protocol):
    """All that a store asks of the place where it lies. A name is a kind and a name in it, or the one word of the settings."""

    def __str__(self) -> str:
        """Return where it is, for messages."""

    def where(self, name: str) -> str:
        """Return where a document is, for messages."""

    def names(self, kind: str) -> list[str]:
        """Return the names of the documents of one kind."""

    def read(self, name: str) -> Document | None:
        """Return the newest version."""

    def history(self, name: str) -> list[Document]:
        """Return the versions that are kept, the oldest first."""

    def write(self, name: str, content: dict[str, t.Any], version: int) -> None:
        """Add a version where the newest is still the given one (0: there is none), drop the oldest above the number to keep."""


@dataclasses.dataclass(frozen=True)
class Record:
    """One version of a record."""

    version: int
    created_at: str | None
    public: dict[str, t.Any]
    secret: t.Callable[[], dict[str, t.Any]]  # opened when it is needed


def keep(store: Store, name: str, make: t.Callable[[], tuple[dict, dict]]) -> Record:
    """Return the record, made if there is none; whoever comes second takes what the first one made."""
    record = store.get(name)
    if record is None:
        with contextlib.suppress(Conflict):
            store.put(name, *make(), version=0)
        record = store.get(name)
    return record


class Store:
    """The records that a backend keeps, their secret parts sealed where there is a passphrase."""

    def __init__(self, backend: Backend, passphrase: str | None = None) -> None:
        self._backend = backend
        self._passphrase = passphrase or None
        self._read: dict[str, Document | None] = {}  # what one task has read stays as it is until it writes
        if self._passphrase and self._settings:
            self._refuse_plain()

    def __str__(self) -> str:
        """Return where it is, for messages."""
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
        """Add a version to a record if it still has the given one; 0 means that there is none yet."""
        self._check_settings()
        content = {"created_at": created_at or to_timestamp(datetime.datetime.now(datetime.timezone.utc)), "public": public, "secret": self._seal(name, secret)}
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
            secret = functools.partial(self._open, name, content["secret"], where)
            return Record(document.version, content.get("created_at"), content["public"], secret)
        except (KeyError, AttributeError, TypeError) as error:
            raise HostError(f"{where}: damaged, restore it from a backup; nothing was changed") from error

    @property
    def _settings(self) -> dict[str, t.Any] | None:
        document = self._newest(_SETTINGS)
        return document.content if document else None

    def _check_settings(self) -> None:
        """Never let one store hold secrets under two passphrases."""
        if self._settings is None:
            with contextlib.suppress(Conflict):
                check = {"check": self._seal(_CHECK, {})} if self._passphrase else {}
                self._write(_SETTINGS, {"format": 1, **check}, version=0)
        if self._passphrase:
            self._refuse_plain()
        if self._settings.get("check"):
            self._open(_CHECK, self._settings["check"], self._backend.where(_SETTINGS))

    def _refuse_plain(self) -> None:
        if not self._settings.get("check"):
            raise HostError(f"{self._backend.where(_SETTINGS)}: the store is not encrypted, yet a passphrase is given")

    def _seal(self, name: str, secret: dict) -> dict:
        return seal(secret, name, self._passphrase, self._salt) if self._passphrase else secret

    def _open(self, name: str, secret: dict, where: str) -> dict:
        return unseal(secret, name, self._passphrase, where) if "sealed" in secret else secret

    @functools.cached_property
    def _salt(self) -> bytes:
        """The salt of the store; every sealed value has it beside it."""
        return salt_of(self._settings["check"]) if self._settings else new_salt()


_CHECK = "check"


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise HostError(f"{name.partition('/')[2]!r} is no name for the store: allowed are a-z, 0-9, and inside of it . _ -")
    return name

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Encryption of values with a passphrase: AES-256-GCM with a key from scrypt, bound to a text, stored as JSON."""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import json
import os
import typing as t

from .._errors import HostError

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    pass  # _pki.x509.CRYPTOGRAPHY_ERROR has the reason

__all__ = (
    "BACKUP_COST", "FORMER_COST", "STORE_COST", "Cost", "check_passphrase", "decrypt", "derive_key", "encrypt", "is_encrypted", "new_salt", "salt_of",
)  # fmt: skip

_ENCRYPTED = "sealed"  # the name of the field in existing stores and backups
_LEAST_CHARACTERS = 12
_HIGHEST_COST = 2**24  # n * p; whoever can write to a store could otherwise make a director run out of memory


@dataclasses.dataclass(frozen=True)
class Cost:
    """Parameters of scrypt with r=8: a guess takes n KiB of memory, and time in proportion to n * p."""

    n: int
    p: int


# Encrypted values can be guessed offline by whoever gets the files. These are settings that OWASP's Password Storage Cheat Sheet recommends.
# Each process derives a key, so the store has the one that needs less memory.
STORE_COST = Cost(2**15, 3)
BACKUP_COST = Cost(2**16, 2)
FORMER_COST = Cost(2**14, 1)  # of values that do not name it


def new_salt() -> bytes:
    """Return a salt. Values with the same salt share a key, which is derived once."""
    return os.urandom(16)


def is_encrypted(value: dict) -> bool:
    """Return whether a value is encrypted."""
    return _ENCRYPTED in value


def salt_of(encrypted: dict) -> bytes:
    """Return the salt of an encrypted value."""
    return base64.b64decode(encrypted[_ENCRYPTED]["salt"])


def check_passphrase(passphrase: str) -> None:
    """Refuse a passphrase that is easy to guess."""
    if len(passphrase) < _LEAST_CHARACTERS:
        raise HostError(f"passphrase: found {len(passphrase)} characters, expected {_LEAST_CHARACTERS} or more")


def encrypt(value: t.Any, bound_to: str, passphrase: str, salt: bytes, cost: Cost) -> dict:
    """Return an encrypted value, which can only be decrypted with the text that it is bound to."""
    nonce = os.urandom(12)
    text = AESGCM(_key(passphrase, salt, cost)).encrypt(nonce, json.dumps(value).encode(), bound_to.encode())
    parts = {part: base64.b64encode(content).decode() for part, content in (("salt", salt), ("nonce", nonce), ("text", text))}
    return {_ENCRYPTED: {**parts, **({} if cost == FORMER_COST else {"cost": cost.n, "parallelism": cost.p})}}


def decrypt(encrypted: dict, bound_to: str, passphrase: str | None, where: str) -> t.Any:
    """Return the value. Its place is for error messages."""
    if not passphrase:
        raise HostError(f"{where}: found an encrypted value and no passphrase, expected the passphrase of the store")
    try:
        parts = encrypted[_ENCRYPTED]
        salt, nonce, text = (base64.b64decode(parts[part], validate=True) for part in ("salt", "nonce", "text"))
        cost = Cost(parts.get("cost", FORMER_COST.n), parts.get("parallelism", FORMER_COST.p))
        return json.loads(AESGCM(derive_key(passphrase, salt, cost)).decrypt(nonce, text, bound_to.encode()))
    except InvalidTag as error:
        raise HostError(f"{where}: not encrypted with this passphrase, or damaged") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HostError(f"{where}: damaged; restore it from a backup") from error


def derive_key(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    """Return the key of 32 bytes for a passphrase. Raise ValueError for a cost that no value of ours has."""
    if not 0 < cost.n * cost.p <= _HIGHEST_COST:
        raise ValueError("cost")
    return _key(passphrase, salt, cost)


@functools.lru_cache(maxsize=8)
def _key(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    # OpenSSL's default limit of memory is too low for these parameters.
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=cost.n, r=8, p=cost.p, dklen=32, maxmem=160 * cost.n * 8 + 1024 * cost.p)

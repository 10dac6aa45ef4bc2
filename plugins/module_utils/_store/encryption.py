# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Encryption of values with a passphrase: AES-256-GCM with a key from scrypt, bound to a name, stored as JSON."""

from __future__ import annotations

import base64
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

__all__ = ("decrypt", "encrypt", "is_encrypted", "new_salt", "salt_of")

_COST = 2**14
_ENCRYPTED = "sealed"  # the name of the field in existing stores and backups


def new_salt() -> bytes:
    """Return a salt. Values with the same salt share a key, which is derived once."""
    return os.urandom(16)


def is_encrypted(value: dict) -> bool:
    """Return whether a value is encrypted."""
    return _ENCRYPTED in value


def salt_of(encrypted: dict) -> bytes:
    """Return the salt of an encrypted value."""
    return base64.b64decode(encrypted[_ENCRYPTED]["salt"])


def encrypt(value: t.Any, name: str, passphrase: str, salt: bytes, cost: int = _COST) -> dict:
    """Return an encrypted value, which can be decrypted under this name only."""
    nonce = os.urandom(12)
    text = AESGCM(_key(passphrase, salt, cost)).encrypt(nonce, json.dumps(value).encode(), name.encode())
    parts = {part: base64.b64encode(content).decode() for part, content in (("salt", salt), ("nonce", nonce), ("text", text))}
    return {_ENCRYPTED: {**parts, **({} if cost == _COST else {"cost": cost})}}


def decrypt(encrypted: dict, name: str, passphrase: str | None, where: str) -> t.Any:
    """Return the value. Its place is for error messages."""
    if not passphrase:
        raise HostError(f"{where}: found an encrypted value and no passphrase, expected the passphrase of the store")
    try:
        parts = encrypted[_ENCRYPTED]
        salt, nonce, text = (base64.b64decode(parts[part], validate=True) for part in ("salt", "nonce", "text"))
        return json.loads(AESGCM(_key(passphrase, salt, parts.get("cost", _COST))).decrypt(nonce, text, name.encode()))
    except InvalidTag as error:
        raise HostError(f"{where}: not encrypted with this passphrase, or damaged") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HostError(f"{where}: damaged; restore it from a backup") from error


@functools.lru_cache(maxsize=8)
def _key(passphrase: str, salt: bytes, cost: int) -> bytes:
    # OpenSSL's default limit of memory is too low for these parameters.
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=cost, r=8, p=1, dklen=32, maxmem=160 * cost * 8)

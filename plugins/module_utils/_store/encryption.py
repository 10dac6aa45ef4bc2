# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values sealed with a passphrase: AES-256-GCM under a key from scrypt, bound to a name, as JSON."""

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
    pass  # _x509.CRYPTOGRAPHY_ERROR tells

__all__ = ("new_salt", "salt_of", "seal", "unseal")

_COST = 2**14


def new_salt() -> bytes:
    """Return a salt; values that are sealed with the same one share a key, so that it is derived once."""
    return os.urandom(16)


def salt_of(sealed: dict) -> bytes:
    """Return the salt that a value is sealed with."""
    return base64.b64decode(sealed["sealed"]["salt"])


def seal(value: t.Any, name: str, passphrase: str, salt: bytes, cost: int = _COST) -> dict:
    """Return a sealed value, which opens under this name only."""
    nonce = os.urandom(12)
    text = AESGCM(_key(passphrase, salt, cost)).encrypt(nonce, json.dumps(value).encode(), name.encode())
    parts = {part: base64.b64encode(content).decode() for part, content in (("salt", salt), ("nonce", nonce), ("text", text))}
    return {"sealed": {**parts, **({} if cost == _COST else {"cost": cost})}}


def unseal(sealed: dict, name: str, passphrase: str | None, where: str) -> t.Any:
    """Return the value; where it lies is for the error message."""
    if not passphrase:
        raise HostError(f"{where}: encrypted, yet no passphrase is given")
    try:
        parts = sealed["sealed"]
        salt, nonce, text = (base64.b64decode(parts[part], validate=True) for part in ("salt", "nonce", "text"))
        return json.loads(AESGCM(_key(passphrase, salt, parts.get("cost", _COST))).decrypt(nonce, text, name.encode()))
    except InvalidTag as error:
        raise HostError(f"{where}: not encrypted with the passphrase that is given, or damaged") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HostError(f"{where}: damaged; restore it from a backup") from error


@functools.lru_cache(maxsize=8)
def _key(passphrase: str, salt: bytes, cost: int) -> bytes:
    # OpenSSL wants to be told that it may take as much memory as these parameters need.
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=cost, r=8, p=1, dklen=32, maxmem=160 * cost * 8)

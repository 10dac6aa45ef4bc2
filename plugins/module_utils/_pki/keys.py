# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private keys on a host: type and public key, read without a process; new keys from openssl."""

from __future__ import annotations

import base64
import re
import typing as t

from .._command import run
from .._errors import HostError
from .der import item, items

__all__ = ("KEY_TYPES", "PublicKey", "generate", "public_key")

KEY_TYPES = ("ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096")

_RSA = bytes.fromhex("2a864886f70d010101")
_EC = bytes.fromhex("2a8648ce3d0201")
_CURVES = {bytes.fromhex("2a8648ce3d030107"): "ecdsa-p256", bytes.fromhex("2b81040022"): "ecdsa-p384"}
_INTEGER, _BIT_STRING, _SEQUENCE, _EC_PUBLIC_KEY = 0x02, 0x03, 0x30, 0xA1
_PEM = re.compile(rb"-----BEGIN PRIVATE KEY-----\n([A-Za-z0-9+/=\n]+)-----END PRIVATE KEY-----\n?")


class PublicKey(t.NamedTuple):
    """A public key with its type."""

    type: str  # one of KEY_TYPES, or another name
    der: str  # SubjectPublicKeyInfo, DER in base64


def generate(key_type: str) -> bytes:
    """Return a new private key: PKCS #8 in PEM."""
    kind, size = key_type.split("-")
    if kind == "rsa":
        options = ("-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{size}")
    else:
        options = ("-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:P-{size[1:]}", "-pkeyopt", "ec_param_enc:named_curve")
    return run("openssl", "genpkey", *options).encode()


def public_key(path: str) -> PublicKey | None:
    """Return the public key of the private key in a file; None if there is no file, or no complete and unencrypted key in it."""
    try:
        with open(path, "rb") as stream:
            pem = stream.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return parse(pem)
    except (ValueError, IndexError):
        pass  # damaged, or in another format that openssl reads
    try:
        return parse(run("openssl", "pkey", "-in", path, "-passin", "pass:").encode())
    except (HostError, ValueError, IndexError):
        return None


def parse(pem: bytes) -> PublicKey:
    """Return the public key of a private key in PKCS #8 PEM (RFC 5208, 5915, 8017)."""
    match = _PEM.fullmatch(pem)
    if not match:
        raise ValueError("not one private key in PKCS #8")
    ((_tag, info),) = items(base64.b64decode(match.group(1)))
    algorithm, (_tag, octets) = items(info)[1:3]
    ((_tag, key),) = items(octets)
    (_tag, kind), *parameters = items(algorithm[1])
    fields = items(key)
    if kind == _RSA:
        modulus, exponent = fields[1:3]
        name = f"rsa-{int.from_bytes(modulus[1], 'big').bit_length()}"
        bits = b"\0" + item(_SEQUENCE, item(*modulus) + item(*exponent))
    elif kind == _EC:
        name = _CURVES.get(parameters[0][1], "ecdsa")
        bits = items(dict(fields)[_EC_PUBLIC_KEY])[0][1] if _EC_PUBLIC_KEY in dict(fields) else b""
        if not bits:
            raise ValueError("the public key is left out")
    else:
        raise ValueError("neither RSA nor ECDSA")
    spki = item(_SEQUENCE, item(*algorithm) + item(_BIT_STRING, bits))
    return PublicKey(name, base64.b64encode(spki).decode())

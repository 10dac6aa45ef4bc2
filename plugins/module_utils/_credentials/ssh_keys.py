# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SSH keys in OpenSSH's formats, with the library cryptography (director only)."""

from __future__ import annotations

from .._errors import HostError

try:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
except ImportError:
    pass  # _pki.x509.CRYPTOGRAPHY_ERROR has the reason

__all__ = ("SSH_KEY_TYPES", "new_ssh_key", "public_line")

SSH_KEY_TYPES = ("ed25519", "ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096")


def new_ssh_key(key_type: str) -> str:
    """Return a new private key."""
    kind, _dash, size = key_type.partition("-")
    if kind == "ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
    elif kind == "ecdsa":
        key = ec.generate_private_key(ec.SECP384R1() if size == "p384" else ec.SECP256R1())
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=int(size))
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()).decode()


def public_line(private_key: str, comment: str) -> str:
    """Return the public key as a line of authorized_keys."""
    try:
        key = serialization.load_ssh_private_key(private_key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise HostError("value: found something else, expected a private key in OpenSSH's format without a passphrase") from error
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    return f"{line} {comment}".strip()

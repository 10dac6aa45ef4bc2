# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stream that is encrypted with a passphrase, piece by piece, so that neither side needs more memory than one piece.

A file begins with a line that names the format, and a line of JSON, the header. Pieces of AES-256-GCM follow. The key comes from the passphrase
and a salt of the header. The nonce of a piece has its number, and whether it is the last one, and each piece is bound to both lines. So a piece
that was changed, moved, removed or added is found, and so is the end of a file that was cut off. This is the STREAM construction of Hoang,
Reyhanitabar, Rogaway and Vizár.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import typing as t

from .._errors import HostError
from .._store.encryption import BACKUP_COST, Cost, check_passphrase, derive_key, new_salt

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    pass  # _pki.x509.CRYPTOGRAPHY_ERROR has the reason

__all__ = ("MAGIC", "PIECE", "SealedReader", "SealedWriter")

MAGIC = b"cfcr.kubernetes backup 1\n"
PIECE = 1 << 20  # bytes of plain text

_TAG = 16
_MOST_HEADER = 64 << 10
_MOST_PIECES = (1 << 32) - 1
_PREFIX = 7


class SealedWriter:
    """Writes an encrypted stream. Without close(), the stream counts as cut off."""

    def __init__(self, stream: t.BinaryIO, passphrase: str, header: t.Mapping[str, t.Any]) -> None:
        """Write the header, which anybody can read."""
        check_passphrase(passphrase)
        salt, self._prefix = new_salt(), os.urandom(_PREFIX)
        texts = {"salt": base64.b64encode(salt).decode(), "nonce": base64.b64encode(self._prefix).decode()}
        line = json.dumps({**header, **texts, "cost": BACKUP_COST.n, "parallelism": BACKUP_COST.p, "piece": PIECE}, sort_keys=True).encode() + b"\n"
        if len(line) > _MOST_HEADER:
            raise ValueError("the header is too large")
        self._cipher = AESGCM(derive_key(passphrase, salt, BACKUP_COST))
        self._bound_to = _digest(line)
        self._stream, self._buffer, self._number = stream, bytearray(), 0
        stream.write(MAGIC + line)

    def write(self, content: bytes) -> int:
        """Add plain text."""
        self._buffer += content
        # The last piece has another nonce, so a full one waits until more follows.
        while len(self._buffer) > PIECE:
            self._write(bytes(self._buffer[:PIECE]), last=False)
            del self._buffer[:PIECE]
        return len(content)

    def flush(self) -> None:
        """Do nothing: pieces have a fixed size."""

    def close(self) -> None:
        """Write the last piece."""
        self._write(bytes(self._buffer), last=True)
        self._buffer.clear()

    def _write(self, text: bytes, last: bool) -> None:
        if self._number > _MOST_PIECES:
            raise HostError(f"backup: found more than {_MOST_PIECES} pieces of {PIECE} bytes")
        self._stream.write(self._cipher.encrypt(_nonce(self._prefix, self._number, last), text, self._bound_to))
        self._number += 1


class SealedReader:
    """Reads an encrypted stream. Only text that was verified is returned; the end is only returned if it is the true one."""

    def __init__(self, stream: t.BinaryIO, passphrase: str, where: str) -> None:
        """Read and verify the header."""
        self._where, self._stream = where, stream
        if stream.read(len(MAGIC)) != MAGIC:
            raise HostError(f"{where}: found no backup of a cluster, expected a file that playbook backup has made")
        line = stream.readline(_MOST_HEADER)
        try:
            header = json.loads(line)
            salt, self._prefix = (base64.b64decode(header[name], validate=True) for name in ("salt", "nonce"))
            cost, size = Cost(header["cost"], header["parallelism"]), header["piece"]
            if not line.endswith(b"\n") or len(self._prefix) != _PREFIX or size != PIECE or not all(isinstance(part, int) for part in (cost.n, cost.p)):
                raise ValueError("header")
            self._cipher = AESGCM(derive_key(passphrase, salt, cost))
        except (ValueError, KeyError, TypeError) as error:
            raise HostError(f"{where}: found a damaged header, expected the one that playbook backup wrote; take another copy or backup") from error
        self._bound_to = _digest(line)
        self._number, self._text, self._ended = 0, memoryview(b""), False
        self._next = stream.read(PIECE + _TAG)
        self._advance()
        self.header: dict[str, t.Any] = header

    def read(self, size: int = -1) -> bytes:
        """Return as many bytes of plain text, or fewer at the end."""
        parts, wanted = [], size
        while wanted:
            if not self._text:
                if self._ended:
                    break
                self._advance()
                continue
            part = self._text if wanted < 0 else self._text[:wanted]
            parts.append(part)
            self._text = self._text[len(part) :]
            wanted -= len(part) if wanted > 0 else 0
        return b"".join(parts)

    def _advance(self) -> None:
        """Verify the next piece. It is the last one if nothing follows."""
        following = self._stream.read(PIECE + _TAG) if len(self._next) == PIECE + _TAG else b""
        last = not following
        try:
            self._text = memoryview(self._cipher.decrypt(_nonce(self._prefix, self._number, last), self._next, self._bound_to))
        except (InvalidTag, ValueError) as error:
            if self._number == 0:
                raise HostError(f"{self._where}: found a backup that is not encrypted with this passphrase, or is damaged or cut off") from error
            raise HostError(
                f"{self._where}: found a backup that is damaged or cut off after {self._number * PIECE} bytes of its content; take another copy or backup"
            ) from error
        self._number, self._next, self._ended = self._number + 1, following, last


def _nonce(prefix: bytes, number: int, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + (b"\1" if last else b"\0")


def _digest(line: bytes) -> bytes:
    return hashlib.sha256(MAGIC + line).digest()

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decryption of NaCl's secretbox (XSalsa20 and Poly1305), with which API servers encrypt Secrets.

The library cryptography has Poly1305, but not Salsa20. A backup decrypts one Secret per key, so speed does not matter, and no further library is needed.
"""

from __future__ import annotations

import struct

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.poly1305 import Poly1305
except ImportError:
    pass  # _pki.x509.CRYPTOGRAPHY_ERROR has the reason

__all__ = ("NONCE", "open_box")

NONCE = 24
_TAG, _BLOCK = 16, 64
_SIGMA = struct.unpack("<4I", b"expand 32-byte k")
_QUARTERS = (
    (0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11),
    (0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14),
)  # fmt: skip


def open_box(key: bytes, nonce: bytes, box: bytes) -> bytes | None:
    """Return the text of a box, or None if it was not made with this key, or is damaged."""
    if len(key) != 32 or len(nonce) != NONCE or len(box) < _TAG:
        return None
    subkey, tag, encrypted = _hsalsa20(key, nonce[:16]), box[:_TAG], box[_TAG:]
    stream = b"".join(_salsa20(subkey, nonce[16:], number) for number in range((len(encrypted) + 32) // _BLOCK + 1))
    try:
        Poly1305.verify_tag(stream[:32], encrypted, tag)
    except InvalidSignature:
        return None
    return bytes(left ^ right for left, right in zip(encrypted, stream[32:]))


def _rounds(state: list[int]) -> list[int]:
    """Return the state after twenty rounds."""
    state = list(state)
    for _double in range(10):
        for a, b, c, d in _QUARTERS:
            for target, left, right, bits in ((b, a, d, 7), (c, b, a, 9), (d, c, b, 13), (a, d, c, 18)):
                total = (state[left] + state[right]) & 0xFFFFFFFF
                state[target] ^= ((total << bits) | (total >> (32 - bits))) & 0xFFFFFFFF
    return state


def _state(key: bytes, block: bytes) -> list[int]:
    words, middle = struct.unpack("<8I", key), struct.unpack("<4I", block)
    return [_SIGMA[0], *words[:4], _SIGMA[1], *middle, _SIGMA[2], *words[4:], _SIGMA[3]]


def _hsalsa20(key: bytes, nonce: bytes) -> bytes:
    state = _rounds(_state(key, nonce))
    return struct.pack("<8I", *(state[index] for index in (0, 5, 10, 15, 6, 7, 8, 9)))


def _salsa20(key: bytes, nonce: bytes, number: int) -> bytes:
    state = _state(key, nonce + struct.pack("<Q", number))
    return struct.pack("<16I", *((one + other) & 0xFFFFFFFF for one, other in zip(state, _rounds(state))))

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DER, as far as keys and certificates need it."""

from __future__ import annotations

__all__ = ("item", "items")


def items(data: bytes) -> list[tuple[int, bytes]]:
    """Return the tags and contents of consecutive DER values."""
    values = []
    while data:
        tag, length, start = data[0], data[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[2:start], "big")
        if len(data) < start + length:
            raise ValueError("truncated")
        values.append((tag, data[start : start + length]))
        data = data[start + length :]
    return values


def item(tag: int, content: bytes) -> bytes:
    """Return one DER value."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + content

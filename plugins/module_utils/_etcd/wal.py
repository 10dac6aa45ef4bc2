# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose data a data directory of etcd holds, read from its write-ahead log: true even where etcd does not run.

Every segment of the log starts with a record of the checksum and one with the metadata, the numbers of member and cluster. A
record is a length of 8 bytes (little endian, the highest byte tells the padding to 8) and a protobuf message {1: type, 3: data}.
"""

from __future__ import annotations

import struct
import typing as t
from pathlib import Path

from .._errors import HostError

__all__ = ("Identity", "identity")

METADATA = 1


class Identity(t.NamedTuple):
    """Numbers that etcd knows a member and its cluster by."""

    member: int
    cluster: int


def identity(data_directory: str) -> Identity | None:
    """Return whose data there is, None where there is no log: etcd then starts as a member without any memory."""
    segments = sorted(Path(data_directory, "member", "wal").glob("*.wal"))
    if not segments:
        return None
    with segments[0].open("rb") as stream:
        head = stream.read(4096)
    try:
        return _metadata(head)
    except (struct.error, IndexError, KeyError) as error:
        raise HostError(f"{segments[0]}: is not a write-ahead log of etcd") from error


def _metadata(head: bytes) -> Identity:
    offset = 0
    while True:
        (field,) = struct.unpack_from("<Q", head, offset)
        length, padding = field & (1 << 56) - 1, field >> 56 & 7
        offset += 8
        record = _fields(head[offset:offset + length])
        if record[1] == METADATA:
            metadata = _fields(record[3])
            return Identity(member=metadata[1], cluster=metadata[2])
        offset += length + padding


def _fields(message: bytes) -> dict[int, t.Any]:
    """Return the fields of a protobuf message that has numbers and bytes only."""
    fields: dict[int, t.Any] = {}
    offset = 0
    while offset < len(message):
        key, offset = _number(message, offset)
        value, offset = _number(message, offset)
        if key & 7 == 2:
            value, offset = message[offset:offset + value], offset + value
        fields[key >> 3] = value
    return fields


def _number(message: bytes, offset: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[offset]
        value |= (byte & 0x7F) << shift
        offset, shift = offset + 1, shift + 7
        if byte < 0x80:
            return value, offset

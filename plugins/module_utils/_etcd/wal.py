# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The IDs of member and cluster in a data directory of etcd, read from its write-ahead log, so that etcd need not run.

Every segment of the log starts with a record of the checksum and one of the metadata, the IDs of member and cluster. A record
is a length of 8 bytes (little endian, the highest byte has the padding to 8) and a protobuf message {1: type, 3: data}.
"""

from __future__ import annotations

import struct
import typing as t
from pathlib import Path

from .._errors import HostError

__all__ = ("Identity", "identity")

METADATA = 1


class Identity(t.NamedTuple):
    """The IDs of a member and of its cluster."""

    member: int
    cluster: int


def identity(data_directory: str) -> Identity | None:
    """Return the IDs in the data. None means that there is no log, and etcd would start without data."""
    segments = sorted(Path(data_directory, "member", "wal").glob("*.wal"))
    if not segments:
        return None
    with segments[0].open("rb") as stream:
        head = stream.read(4096)
    try:
        return _metadata(head)
    except (struct.error, IndexError, KeyError) as error:
        raise HostError(f"{segments[0]}: found no metadata of etcd, expected a segment of a write-ahead log") from error


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
    """Return the fields of a protobuf message that consists of numbers and bytes."""
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

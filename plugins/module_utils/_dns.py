# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Query one name server for the address of a name."""

from __future__ import annotations

import os
import socket
import struct

from ._errors import HostError

__all__ = ("address", "question", "answer")

HEADER = struct.Struct("!6H")
RECORD = struct.Struct("!HHIH")
A, IN = 1, 1
RECURSION_DESIRED = 0x0100
CODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


def address(name: str, server: str, seconds: float = 2) -> str:
    """Return the first address of a name at a name server."""
    number = int.from_bytes(os.urandom(2), "big")
    try:
        with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as connection:
            connection.settimeout(seconds)
            connection.connect((server, 53))
            connection.send(question(name, number))
            return answer(name, number, connection.recv(4096))
    except OSError as error:
        raise HostError(f"name server {server}: {error}") from error
    except (struct.error, IndexError) as error:
        raise HostError(f"name server {server}: found an invalid answer for {name}") from error


def question(name: str, number: int) -> bytes:
    """Return the query for the address of a name."""
    labels = b"".join(bytes([len(label)]) + label for label in name.rstrip(".").encode("idna").split(b"."))
    return HEADER.pack(number, RECURSION_DESIRED, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", A, IN)


def answer(name: str, number: int, message: bytes) -> str:
    """Return the first address in the answer."""
    got, flags, questions, records, _authorities, _additional = HEADER.unpack_from(message)
    if got != number:
        raise HostError(f"{name}: the name server answered another query")
    if flags & 0xF:
        raise HostError(f"{name}: the name server answered {CODES.get(flags & 0xF, flags & 0xF)}")
    place = HEADER.size
    for _question in range(questions):
        place = _after_name(message, place) + 4
    for _record in range(records):
        place = _after_name(message, place)
        kind, _class, _ttl, length = RECORD.unpack_from(message, place)
        place += RECORD.size
        if kind == A:
            return socket.inet_ntoa(message[place : place + length])
        place += length
    raise HostError(f"{name}: the name server has no address")


def _after_name(message: bytes, place: int) -> int:
    """Return the offset behind a name, which may end with a pointer to an earlier name."""
    while message[place]:
        if message[place] >= 0xC0:
            return place + 2
        place += message[place] + 1
    return place + 1

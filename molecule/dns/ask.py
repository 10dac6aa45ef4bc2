# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Query a name server for addresses: ask.py SERVER TIMES NAME... prints a list of answers for each name as JSON. It runs on a host."""

import json
import socket
import struct
import sys

HEADER = struct.Struct("!6H")
RECORD = struct.Struct("!HHHIH")  # after a name that is a pointer


def ask(server: str, name: str) -> dict:
    """Return the response code, the addresses in their order, and the largest TTL."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = HEADER.pack(7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(5)
        connection.connect((server, 53))
        connection.send(question)
        message = connection.recv(4096)
    _number, flags, _questions, answers, _authorities, _additional = HEADER.unpack_from(message)
    place, addresses, ttls = len(question), [], [0]
    for _answer in range(answers):
        _name, _kind, _class, ttl, length = RECORD.unpack_from(message, place)
        addresses.append(socket.inet_ntoa(message[place + RECORD.size : place + RECORD.size + length]))
        ttls.append(ttl)
        place += RECORD.size + length
    return {"code": flags & 0xF, "addresses": addresses, "ttl": max(ttls)}


print(json.dumps({name: [ask(sys.argv[1], name) for _time in range(int(sys.argv[2]))] for name in sys.argv[3:]}))

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A name server that knows every name except those of clusters, and prints each name that it is asked for: name_server.py ADDRESS"""

import socket
import struct
import sys

ADDRESS = socket.inet_aton("192.0.2.1")
A, IN = 1, 1
HEADER = struct.Struct("!6H")
RECORD = struct.Struct("!HHHIH")
POINTER_TO_QUESTION = 0xC00C
RESPONSE, RECURSION_AVAILABLE, NXDOMAIN = 0x8000, 0x80, 3

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.bind((sys.argv[1], 53))
    while True:
        message, client = server.recvfrom(4096)
        labels, place = [], HEADER.size
        while message[place]:
            labels.append(message[place + 1 : place + 1 + message[place]].decode())
            place += message[place] + 1
        name, kind = ".".join(labels), struct.unpack_from("!H", message, place + 1)[0]
        print("asked for", name)
        number, flags = HEADER.unpack_from(message)[:2]
        known = not name.lower().endswith("cfcr.internal")
        answers = [RECORD.pack(POINTER_TO_QUESTION, A, IN, 60, len(ADDRESS)) + ADDRESS] if known and kind == A else []
        flags |= RESPONSE | RECURSION_AVAILABLE | (0 if known else NXDOMAIN)
        reply = HEADER.pack(number, flags, 1, len(answers), 0, 0) + message[HEADER.size : place + 5] + b"".join(answers)
        server.sendto(reply, client)

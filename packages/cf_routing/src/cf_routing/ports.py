# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reservable ports of a router group."""

from __future__ import annotations

import typing as t


class Ports(t.NamedTuple):
    """Ranges of ports, such as "1024-1123,2000"."""

    ranges: tuple[range, ...]

    @classmethod
    def parse(cls, text: str) -> Ports:
        ranges = []
        for part in filter(None, (part.strip() for part in text.split(","))):
            first, _dash, last = part.partition("-")
            ranges.append(range(int(first), int(last or first) + 1))
        return cls(tuple(ranges))

    def contains(self, port: int) -> bool:
        return any(port in ports for ports in self.ranges)

    def __str__(self) -> str:
        return ", ".join(f"{ports[0]}-{ports[-1]}" if len(ports) > 1 else str(ports[0]) for ports in self.ranges) or "none"

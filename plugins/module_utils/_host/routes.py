# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts to which this one sends packets of pods and requests of users: its neighbours in the overlay network, and the backends of HAProxy."""

from __future__ import annotations

import ipaddress
import re
import typing as t
from pathlib import Path

from .._command import run
from .._errors import HostError

__all__ = ("VXLAN", "routes")

VXLAN = "flannel.1"  # the interface of the overlay network

_HAPROXY = Path("/etc/haproxy/haproxy.cfg")
_NEIGHBOUR = re.compile(r"\bdst (\S+) ")
_BACKEND = re.compile(r"^\s*server \S+ (\S+):\d+ ", re.MULTILINE)


def routes(vxlan: str | None, haproxy: Path = _HAPROXY) -> dict[str, list[str]]:
    """Return the addresses of other hosts, those of the overlay network and those of HAProxy."""
    return {"overlay": _neighbours(vxlan) if vxlan else [], "backends": _backends(haproxy)}


def _neighbours(interface: str) -> list[str]:
    """Return the hosts for which flannel has an entry in the forwarding table of its interface."""
    try:
        return _addresses(_NEIGHBOUR.findall(run("bridge", "fdb", "show", "dev", interface)))
    except HostError:  # health reports a missing interface by itself
        return []


def _backends(path: Path) -> list[str]:
    try:
        return _addresses(_BACKEND.findall(path.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return []


def _addresses(texts: t.Iterable[str]) -> list[str]:
    """Return the texts that are addresses, each once, in order."""
    found = set()
    for text in texts:
        try:
            found.add(ipaddress.ip_address(text))
        except ValueError:
            continue
    return [str(address) for address in sorted(found, key=lambda address: (address.version, address))]

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The source addresses of a host, and those of all hosts as its firewall has recorded them."""

from __future__ import annotations

import fnmatch
import ipaddress
import json
import re
import typing as t
from pathlib import Path

from .._command import run
from .._errors import HostError

__all__ = ("MOST", "addresses", "recorded_addresses", "usable")

TABLE = Path("/etc/cfcr/firewall.nft")
MOST = 64  # the controller refuses more

_RECORD = re.compile(r'^# addresses of (".*"): (.*)$', re.MULTILINE)
# Interfaces of pods, of flannel, of role dns and of container engines. Other hosts see none of their addresses.
_INTERNAL = ("lo", "cni*", "flannel*", "veth*", "cfcr-dns*", "docker*", "kube-ipvs*", "virbr*")


def addresses() -> list[str]:
    """Return the addresses of the host's interfaces. A host without ip reports none."""
    try:
        return usable(json.loads(run("ip", "-json", "address", "show")))
    except (HostError, ValueError):
        return []


def usable(interfaces: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """Return the addresses that packets to other hosts may have, given the output of ip.

    Temporary addresses of IPv6 change every day, and no component of the cluster uses them.
    """
    found = [
        ipaddress.ip_address(address["local"])
        for interface in interfaces
        if not any(fnmatch.fnmatchcase(interface.get("ifname", ""), pattern) for pattern in _INTERNAL)
        for address in interface.get("addr_info", ())
        if "local" in address and not address.get("temporary")
    ]
    kept = {address for address in found if not (address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified)}
    return [str(address) for address in sorted(kept, key=lambda address: (address.version, address))][:MOST]


def recorded_addresses(path: Path = TABLE) -> dict[str, list[str]]:
    """Return the addresses of all hosts that the host's own table was made of."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return {}
    return {json.loads(name): listed.split() for name, listed in _RECORD.findall(text)}

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules of other programs that keep a host from forwarding packets of pods."""

from __future__ import annotations

import json

from .._command import run
from .._errors import HostError

__all__ = ("dropping_chains",)


def dropping_chains() -> list[str]:
    """Return the chains of nftables that drop forwarded packets by their policy, such as Docker's and ufw's. No rule of another table overrules them."""
    try:
        listed = json.loads(run("nft", "--json", "list", "chains"))["nftables"]
    except (HostError, ValueError):  # without nftables, or without JSON
        return []
    chains = [entry["chain"] for entry in listed if "chain" in entry]
    return [
        f"{chain['family']} {chain['table']} {chain['name']}"
        for chain in chains
        if chain.get("hook") == "forward" and chain.get("policy") == "drop" and chain["family"] in ("ip", "inet")
    ]

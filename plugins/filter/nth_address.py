# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Return the address with a given number in a network."""

from __future__ import annotations

import ipaddress

DOCUMENTATION = r"""
name: nth_address
short_description: Return the address with a given number in a network
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns an address of a network. Number 0 is the address of the network itself.
positional: _input, number
options:
  _input:
    description: The network, in CIDR notation.
    type: str
    required: true
  number:
    description: Number of the address.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Show the address of the service kubernetes
  ansible.builtin.debug:
    msg: "{{ '10.100.200.0/24' | cfcr.kubernetes.nth_address(1) }}"
"""

RETURN = r"""
_value:
  description: The address.
  type: str
"""


def nth_address(network: str, number: int) -> str:
    """Return an address; raise IndexError if the network is too small."""
    return str(ipaddress.ip_network(network)[number])


class FilterModule:
    """The filter of this file."""

    def filters(self):
        """Return filters by name."""
        return {"nth_address": nth_address}

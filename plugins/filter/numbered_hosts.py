# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: numbered_hosts
short_description: Name the hosts of groups and give them fixed addresses
version_added: "0.9.0"
description:
  - Turns sizes of groups into a list of hosts, numbered from 0 within each group, like instances in BOSH.
  - A host keeps its address if sizes change, because every group has its own range.
  - Instead of a size, a group may have the list of its numbers. That of a cluster without C(worker-0) is C([1, 2]).
author:
  - The cfcr.kubernetes maintainers (@cfcr)
positional: _input, subnet, first
options:
  _input:
    description: Number of hosts, or the numbers of the hosts, by group.
    type: dict
    required: true
  subnet:
    description: Network of the hosts, in CIDR notation.
    type: str
    required: true
  first:
    description: Number of each group's first address in the subnet. A range ends where the next one starts.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show three hosts
  ansible.builtin.debug:
    msg: "{{ {'master': 2, 'worker': 1} | cfcr.kubernetes.numbered_hosts('10.30.0.0/24', {'master': 11, 'worker': 21}) }}"
"""

RETURN = r"""
_value:
  description: The hosts, each with C(name), C(group) and C(address).
  type: list
  elements: dict
  sample: [{name: master-0, group: master, address: 10.30.0.11}]
"""

import ipaddress

from ansible.errors import AnsibleFilterError


def numbered_hosts(sizes: dict[str, int | list[int]], subnet: str, first: dict[str, int]) -> list[dict[str, str]]:
    """Return name, group and address of every host."""
    unknown = sorted(set(sizes) - set(first))
    if unknown:
        raise AnsibleFilterError(f"found unknown groups of hosts {', '.join(unknown)}, expected some of {', '.join(first)}")
    try:
        network = ipaddress.ip_network(subnet)
    except ValueError as error:
        raise AnsibleFilterError(f"subnet: {error}") from error
    hosts = []
    for group, size in sizes.items():
        numbers = list(range(size)) if isinstance(size, int) else size
        if not all(isinstance(number, int) and number >= 0 for number in numbers):
            raise AnsibleFilterError(f"found {numbers} in group {group}, expected a number of hosts, or a list of the numbers of hosts, from 0 on")
        end = min((place for place in first.values() if place > first[group]), default=network.num_addresses - 1)
        if first[group] + max(numbers, default=-1) + 1 > end:
            most = max(end - first[group], 0)
            raise AnsibleFilterError(f"found {max(numbers) + 1} hosts in group {group}, expected at most {most}, for which {subnet} has room")
        hosts += [
            {"name": f"{group}-{number}", "group": group, "address": str(network[first[group] + number])} for number in numbers
        ]
    return hosts


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict:
        """Return filters by name."""
        return {"numbered_hosts": numbered_hosts}

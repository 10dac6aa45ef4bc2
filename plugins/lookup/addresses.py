# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Return the addresses of a group's hosts from the inventory, without facts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: addresses
short_description: Return the addresses of groups of hosts
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns one mapping from hosts to their addresses, in the order of the inventory. The address is a host's C(cluster_host_address), else its
    C(ansible_host), else its name. A group that does not exist is empty.
  - Hosts of group C(removed) are left out, because they leave the cluster or have left it.
  - Fails if a variable is neither an IPv4 nor an IPv6 address, because it becomes part of the configuration of other hosts.
options:
  _terms:
    description: Groups.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show the endpoints of etcd
  ansible.builtin.debug:
    msg: "{{ lookup('cfcr.kubernetes.addresses', 'etcd').values() | map('regex_replace', '$', ':2379') }}"
"""

RETURN = r"""
_value:
  description: Address by host.
  type: list
  elements: dict
  sample: [{"etcd-0": "10.30.0.61"}]
"""

import ipaddress
import reprlib

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..plugin_utils._controller.groups import staying


class LookupModule(LookupBase):
    """Look hosts up in the inventory."""

    def run(self, terms, variables=None, **kwargs):
        """Return a list with the one mapping."""
        groups = staying(variables["groups"])
        hosts = [host for group in terms for host in groups.get(group, [])]
        return [{host: self._address(host, variables["hostvars"][host]) for host in hosts}]

    @staticmethod
    def _address(host, hostvars):
        for name in ("cluster_host_address", "ansible_host"):
            if name in hostvars:
                address = hostvars[name]
                if not _is_address(address):
                    raise AnsibleLookupError(f"{host}: {name}: found {reprlib.repr(str(address))}, expected an IPv4 or IPv6 address")
                return address
        return host


def _is_address(text):
    """Say whether this is the text of an address. The module ipaddress also accepts numbers, and any text as the zone of an IPv6 address."""
    try:
        return isinstance(text, str) and "%" not in text and bool(ipaddress.ip_address(text))
    except ValueError:
        return False

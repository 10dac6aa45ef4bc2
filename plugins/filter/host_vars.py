# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: host_vars
short_description: Make the inventory variables of a provider's hosts
version_added: "0.9.0"
description:
  - Returns the variables with which Ansible and the other hosts of the cluster reach each host.
author:
  - The cfcr.kubernetes maintainers (@cfcr)
positional: _input, ansible_hosts, variables
options:
  _input:
    description: The hosts, each with C(name) and C(address), the address at which hosts reach each other.
    type: list
    elements: dict
    required: true
  ansible_hosts:
    description:
      - Address that Ansible connects to, by host. Default is the host's C(address).
      - A host whose two addresses differ gets C(cluster_host_address).
    type: dict
    default: {}
  variables:
    description: Further variables that every host gets.
    type: dict
    default: {}
seealso:
  - plugin: cfcr.kubernetes.numbered_hosts
    plugin_type: filter
  - plugin: cfcr.kubernetes.inventory_groups
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the variables of a host with a public address
  ansible.builtin.debug:
    msg: "{{ example_hosts | cfcr.kubernetes.host_vars({'etcd-0': '203.0.113.7'}, {'ansible_become': true}) }}"
  vars:
    example_hosts:
      - {name: etcd-0, group: etcd, address: 10.30.0.61}
"""

RETURN = r"""
_value:
  description: Variables by host.
  type: dict
  sample:
    etcd-0: {ansible_host: 203.0.113.7, cluster_host_address: 10.30.0.61, ansible_become: true}
"""

from ..plugin_utils._iaas.inventory import host_vars


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict:
        """Return filters by name."""
        return {"host_vars": host_vars}

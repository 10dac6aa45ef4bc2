# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: inventory_groups
short_description: Group hosts for an inventory
version_added: "0.9.0"
description:
  - Returns the value of C(children) in an inventory. Role P(cfcr.kubernetes.iaas#role) writes the cluster's inventory with it.
  - Group C(ignored) is always there, and empty.
author:
  - The cfcr.kubernetes maintainers (@cfcr)
positional: _input, variables
options:
  _input:
    description: The hosts, each with C(name) and C(group).
    type: list
    elements: dict
    required: true
  variables:
    description: Variables of each host, by its name.
    type: dict
    required: true
seealso:
  - plugin: cfcr.kubernetes.host_vars
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the groups of one host
  ansible.builtin.debug:
    msg: "{{ [{'name': 'etcd-0', 'group': 'etcd'}] | cfcr.kubernetes.inventory_groups({'etcd-0': {'ansible_host': '10.30.0.61'}}) }}"
"""

RETURN = r"""
_value:
  description: Groups by name, each with its hosts and their variables.
  type: dict
  sample:
    ignored: {hosts: {}}
    etcd: {hosts: {etcd-0: {ansible_host: 10.30.0.61}}}
"""

from ..plugin_utils._iaas.inventory import inventory_groups


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict:
        """Return filters by name."""
        return {"inventory_groups": inventory_groups}

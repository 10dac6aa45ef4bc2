# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: inventory_without
short_description: Take hosts out of an inventory that role iaas has written
version_added: "1.0.0"
description:
  - Returns the inventory without these hosts, and with C(iaas_groups) that no longer has their numbers, so that no later run creates them again.
author:
  - The cfcr.kubernetes maintainers (@cfcr)
positional: _input, hosts
options:
  _input:
    description: The inventory.
    type: dict
    required: true
  hosts:
    description: Names of the hosts.
    type: list
    elements: str
    required: true
seealso:
  - plugin: cfcr.kubernetes.inventory_groups
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the inventory without a host
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', '.local/inventory.yml') | from_yaml | cfcr.kubernetes.inventory_without(['worker-0']) }}"
"""

RETURN = r"""
_value:
  description: The inventory.
  type: dict
"""

from ..plugin_utils._iaas.inventory import sizes_without, without_hosts


def inventory_without(inventory: dict, hosts: list[str]) -> dict:
    """Return the inventory without these hosts."""
    sizes = inventory["all"].get("vars", {}).get("iaas_groups")
    return without_hosts(inventory, hosts, {"iaas_groups": sizes_without(sizes, hosts)} if sizes else {})


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        """Return filters by name."""
        return {"inventory_without": inventory_without}

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: sizes_without
short_description: Take hosts out of the sizes of groups
version_added: "1.0.0"
description:
  - Returns C(iaas_groups) without these hosts, for role P(cfcr.kubernetes.iaas#role).
author:
  - The cfcr.kubernetes maintainers (@cfcr)
positional: _input, hosts
options:
  _input:
    description: Number of hosts, or the numbers of the hosts, by group.
    type: dict
    required: true
  hosts:
    description: Names of the hosts.
    type: list
    elements: str
    required: true
seealso:
  - plugin: cfcr.kubernetes.numbered_hosts
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show which hosts are left
  ansible.builtin.debug:
    msg: "{{ {'master': 2, 'worker': 3} | cfcr.kubernetes.sizes_without(['worker-0']) }}"
"""

RETURN = r"""
_value:
  description: A number for a group that has the numbers from 0 on, else the list of its numbers.
  type: dict
  sample: {master: 2, worker: [1, 2]}
"""

from ..plugin_utils._iaas.inventory import sizes_without


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict:
        """Return filters by name."""
        return {"sizes_without": sizes_without}

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: aws_security_rules
short_description: Convert firewall rules to rules of an AWS security group
version_added: "0.9.0"
description:
  - Returns what C(amazon.aws.ec2_security_group) takes as C(rules).
  - Rules for pods name the security group of the workers, because packets of pods leave with their worker's address.
  - Clients that are neither in O(group_ids) nor in O(networks) are left out. The cluster does not have them.
author:
  - The cfcr.kubernetes maintainers (@cfcr)
positional: _input, group_ids, networks
options:
  _input:
    description: The openings, as lookup P(cfcr.kubernetes.firewall#lookup) returns them.
    type: list
    elements: dict
    required: true
  group_ids:
    description: ID of the security group, by group of hosts.
    type: dict
    required: true
  networks:
    description: Lists of networks in CIDR notation, by client that is no group of hosts.
    type: dict
    required: true
seealso:
  - plugin: cfcr.kubernetes.firewall
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Show the rules of the masters
  ansible.builtin.debug:
    msg: "{{ lookup('cfcr.kubernetes.firewall', 'master') | cfcr.kubernetes.aws_security_rules({'worker': 'sg-1'}, {'director': ['192.0.2.0/24']}) }}"
"""

RETURN = r"""
_value:
  description: The rules, each with either C(group_id) or C(cidr_ip).
  type: list
  elements: dict
  sample:
    - {proto: tcp, from_port: 8443, to_port: 8443, rule_desc: "The API of this master, for worker", group_id: [sg-1]}
"""

from ..plugin_utils._iaas.security import aws_security_rules


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict:
        """Return filters by name."""
        return {"aws_security_rules": aws_security_rules}

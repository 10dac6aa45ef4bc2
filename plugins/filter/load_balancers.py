# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: load_balancers
short_description: Resolve the targets of load balancers
version_added: "0.9.0"
description:
  - Returns the load balancers that a provider must create, each listener with the hosts behind it and their health check.
  - Load balancers without listeners are left out.
author:
  - The cfcr.kubernetes maintainers (@cfcr)
positional: _input, wanted
options:
  _input:
    description: The hosts, each with C(name), C(group) and C(address).
    type: list
    elements: dict
    required: true
  wanted:
    description: The load balancers, each before the hosts of one group.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the load balancer.
        type: str
        required: true
      group:
        description: Group whose hosts are the targets.
        type: str
        required: true
      health:
        description: C(protocol), C(port) and C(path) of the health check.
        type: dict
        required: true
      listeners:
        description: C(name) and C(port) of each listener, and the C(node_port) of the targets.
        type: list
        elements: dict
        required: true
seealso:
  - plugin: cfcr.kubernetes.aws_load_balancers
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show a load balancer before one worker
  ansible.builtin.debug:
    msg: "{{ [{'name': 'worker-0', 'group': 'worker', 'address': '10.30.0.21'}] | cfcr.kubernetes.load_balancers(wanted) }}"
  vars:
    wanted:
      - name: workers
        group: worker
        health: {protocol: http, port: 10256, path: /healthz}
        listeners:
          - {name: web, port: 80, node_port: 30080}
"""

RETURN = r"""
_value:
  description: The load balancers, each with C(name) and C(listeners).
  type: list
  elements: dict
  sample:
    - name: workers
      listeners:
        - name: web
          port: 80
          targets: [{name: worker-0, group: worker, address: 10.30.0.21}]
          target_port: 30080
          health: {protocol: http, port: 10256, path: /healthz}
"""

from ..plugin_utils._iaas.load_balancers import load_balancers


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict:
        """Return filters by name."""
        return {"load_balancers": load_balancers}

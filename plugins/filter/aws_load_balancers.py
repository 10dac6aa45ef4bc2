# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: aws_load_balancers
short_description: Convert load balancers to arguments of the AWS modules
version_added: "0.9.0"
description:
  - Turns load balancers into options of C(community.aws.elb_network_lb) and C(community.aws.elb_target_group).
  - A target group is named after the cluster and its port, because AWS cannot change the port of a group.
author:
  - The cfcr.kubernetes maintainers (@cfcr)
positional: _input, cluster
options:
  _input:
    description: The load balancers, as filter P(cfcr.kubernetes.load_balancers#filter) returns them.
    type: list
    elements: dict
    required: true
  cluster:
    description: Name of the cluster.
    type: str
    required: true
seealso:
  - plugin: cfcr.kubernetes.load_balancers
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the names of the target groups
  ansible.builtin.debug:
    msg: "{{ balancers | cfcr.kubernetes.aws_load_balancers('demo') | map(attribute='target_groups') | flatten | map(attribute='name') }}"
  vars:
    balancers:
      - name: workers
        listeners:
          - name: web
            port: 80
            targets: [{name: worker-0, group: worker, address: 10.30.0.21}]
            target_port: 30080
            health: {protocol: http, port: 10256, path: /healthz}
"""

RETURN = r"""
_value:
  description:
    - The load balancers, each with C(name), C(listeners) and C(target_groups).
    - A target group has C(name), C(port), C(targets) and C(health).
  type: list
  elements: dict
  sample:
    - name: workers
      listeners:
        - {Protocol: TCP, Port: 80, DefaultActions: [{Type: forward, TargetGroupName: demo-30080}]}
      target_groups:
        - name: demo-30080
          port: 30080
          targets: [{Id: 10.30.0.21, Port: 30080}]
          health: {protocol: http, port: 10256, path: /healthz}
"""

from ..plugin_utils._iaas.load_balancers import aws_load_balancers


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict:
        """Return filters by name."""
        return {"aws_load_balancers": aws_load_balancers}

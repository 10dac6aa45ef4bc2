# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The repair plan of a cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
name: repair_plan
short_description: Plan the repair of a cluster
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Takes a report of M(cfcr.kubernetes.health_report), and returns the actions that playbook P(cfcr.kubernetes.repair#playbook) takes. It contacts no
    host and changes nothing.
options:
  _input:
    description: The report.
    type: dict
    required: true
  meltdown_share:
    description: Repair nothing if more than this share of the hosts and at least O(meltdown_minimum) of them are unreachable.
    type: float
    default: 0.34
  meltdown_minimum:
    description: Fewer unreachable hosts than this are never a meltdown.
    type: int
    default: 3
  creates_hosts:
    description: Whether the provider of role P(cfcr.kubernetes.iaas#role) can create hosts.
    type: bool
    default: false
  creates_load_balancers:
    description: Whether the endpoint is a load balancer that the provider creates.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show what would be repaired
  ansible.builtin.debug:
    msg: "{{ (health_report | cfcr.kubernetes.repair_plan).text }}"
"""

RETURN = r"""
_value:
  description:
    - C(acts) tells whether the plan has an action. C(text) is the plan as text.
    - C(meltdown) has the unreachable hosts, or is V(null). C(recreate) lists hosts to recreate, C(start) hosts to start only, C(restart) has units to
      restart by host, C(configure) lists hosts for which C(site.yml) runs, C(load_balancers) tells whether the provider repairs the load balancers.
    - C(waiting) has the reasons by host for what is not repaired in this run, C(manual) for what needs an operator.
  type: dict
"""

from ..plugin_utils._health.repair_plan import Policy, plan, text


def repair_plan(report, meltdown_share=0.34, meltdown_minimum=3, creates_hosts=False, creates_load_balancers=False):
    """Return the plan."""
    made = plan(report, Policy(meltdown_share, meltdown_minimum, creates_hosts, creates_load_balancers))
    return {**made, "text": text(made)}


class FilterModule:
    """The filter of this file."""

    def filters(self):
        """Return filters by name."""
        return {"repair_plan": repair_plan}

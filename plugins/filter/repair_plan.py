# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of a repair."""

from __future__ import annotations

DOCUMENTATION = r"""
name: repair_plan
short_description: Decide what must be done so that a cluster is well again
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Takes a report of M(cfcr.kubernetes.health_report), and returns what C(repair.yml) does about it. It asks nobody and changes nothing.
options:
  _input:
    description: The report.
    type: dict
    required: true
  meltdown_share:
    description: With more than this share of the hosts down, nothing is done.
    type: float
    default: 0.34
  meltdown_minimum:
    description: With fewer hosts down than this, it is no meltdown.
    type: int
    default: 3
  makes_hosts:
    description: Whether the provider of role P(cfcr.kubernetes.iaas#role) makes hosts.
    type: bool
    default: false
  balances:
    description: Whether the endpoint is a load balancer that the provider makes.
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
    - C(acts) says whether there is anything to do; C(text) tells all of it for people.
    - C(meltdown) has the hosts that are down, or is none. C(recreate) lists hosts that are made anew, C(start) those that are only started, C(restart)
      has units by host, C(configure) lists hosts that C(site.yml) puts right, C(load_balancers) says whether they are looked after.
    - C(waiting) has reasons by host for what is not done now, C(left_alone) for what people must do.
  type: dict
"""

from ..plugin_utils._health.repair_plan import Policy, plan, text


def repair_plan(report, meltdown_share=0.34, meltdown_minimum=3, makes_hosts=False, balances=False):
    """Return the plan."""
    made = plan(report, Policy(meltdown_share, meltdown_minimum, makes_hosts, balances))
    return {**made, "text": text(made)}


class FilterModule:
    """The filter."""

    def filters(self):
        """Return it by name."""
        return {"repair_plan": repair_plan}

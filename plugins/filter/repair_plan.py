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
  witnesses:
    description:
      - The answers of those that were asked because hosts are unreachable. Without answers no host is recreated.
      - C(members) has the health of etcd members by host, from a second call of M(cfcr.kubernetes.host_health). C(provider) has the states of hosts,
        C(running), C(stopped) or C(absent), by name. C(api) is a result of
        M(cfcr.kubernetes.kubernetes_cluster_info) with probes of masters and proxies, and with volumes.
    type: dict
    default: {}
    version_added: "1.0.0"
  record:
    description: The result of M(cfcr.kubernetes.host_recreations). Without it, no host has been recreated in the last hour.
    type: dict
    default: {}
    version_added: "1.0.0"
  recreations_per_hour:
    description: Recreate at most this many hosts per hour.
    type: int
    default: 2
    version_added: "1.0.0"
  recreate:
    description: Hosts that an operator wants recreated. Each one is recreated if it is unreachable or its answer is invalid.
    type: list
    elements: str
    default: []
    version_added: "1.0.0"
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
    - C(witnesses) has the second witness by host for hosts to recreate or start, C(losses) the data that recreated hosts lose with their disks.
  type: dict
"""

import re

from ansible.errors import AnsibleFilterError

from ..plugin_utils._controller.shapes import Prose
from ..plugin_utils._health.repair_plan import Evidence, Policy, Record, plan, text


def repair_plan(
    report,
    meltdown_share=0.34,
    meltdown_minimum=3,
    creates_hosts=False,
    creates_load_balancers=False,
    witnesses=None,
    record=None,
    recreations_per_hour=2,
    recreate=None,
):
    """Return the plan."""
    policy = Policy(meltdown_share, meltdown_minimum, creates_hosts, creates_load_balancers, _limit(recreations_per_hour))
    api = (witnesses or {}).get("api") or {}
    probes = {name: _shown(problem) if problem else None for name, problem in (api.get("probes") or {}).items()}
    volumes = api.get("volumes")
    if volumes is not None:
        volumes = {name: [_shown(title) for title in titles] for name, titles in volumes.items()}
    members = {name: member for name, member in ((witnesses or {}).get("members") or {}).items() if member}
    evidence = Evidence((witnesses or {}).get("provider") or {}, api.get("nodes"), members, probes, _hosts(recreate or [], report["hosts"]))
    told = record or {}
    made = plan(report, policy, evidence, Record(told.get("recreations", []), told.get("now", 0.0), told.get("problem")), volumes)
    return {**made, "text": text(made)}


def _limit(value):
    """Return the limit, which is a text if it comes from the command line."""
    if not re.fullmatch("[0-9]{1,4}", str(value)):
        raise AnsibleFilterError(f"repair_recreations_per_hour: found {value}, expected a whole number from 0 to 9999")
    return int(value)


def _hosts(value, known):
    """Return the hosts of the operator."""
    unknown = [name for name in value if name not in known]
    if unknown:
        raise AnsibleFilterError(f"repair_recreate: found {', '.join(unknown)}, expected hosts of the cluster")
    return value


def _shown(told):
    """Return a text of another program, which may hold anything, as it is shown."""
    return Prose(300)(told, "")


class FilterModule:
    """The filter of this file."""

    def filters(self):
        """Return filters by name."""
        return {"repair_plan": repair_plan}

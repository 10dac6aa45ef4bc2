# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of a removal."""

from __future__ import annotations

DOCUMENTATION = r"""
name: removal_plan
short_description: Plan the removal of hosts
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Takes a report of M(cfcr.kubernetes.health_report), and returns the steps that playbook P(cfcr.kubernetes.remove#playbook) takes, or why it
    refuses to. It contacts no host and changes nothing.
options:
  _input:
    description: The report. It must have all hosts of the inventory, so it is made without C(--limit).
    type: dict
    required: true
  remove:
    description: The hosts to remove, by name. A member of etcd, a Node or a route that the inventory does not have
      is named as playbook P(cfcr.kubernetes.health#playbook) names it.
    type: list
    elements: str
    required: true
  removals:
    description: The record of M(cfcr.kubernetes.host_removals). Removals that were interrupted become part of the plan.
    type: dict
    default: {}
  topology:
    description: The C(cluster_topology).
    type: str
    default: proxy
  api_host:
    description: The C(cluster_api_host).
    type: str
    default: ""
  provider:
    description: States of the hosts, C(running), C(stopped) or C(absent), as the provider tells them. V(null) if no provider deletes machines.
    type: dict
  volumes:
    description: The C(volumes) of M(cfcr.kubernetes.kubernetes_cluster_info). V(null) if the API did not list them.
    type: dict
  confirm:
    description: Name of the cluster, as the operator gave it to confirm the removal.
    type: str
    default: ""
  cluster_name:
    description: Name of the cluster.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show what a removal would do
  ansible.builtin.debug:
    msg: "{{ (health_report | cfcr.kubernetes.removal_plan(remove=['worker-3'])).text }}"
"""

RETURN = r"""
_value:
  description:
    - C(acts) tells whether the plan is carried out. C(text) is the plan as text. C(refused) has the reasons against it, C(risks) what needs a
      confirmation, C(warnings) what the operator should know.
    - C(hosts) has the hosts that leave, each with its C(group) and C(address), its C(member) of etcd, and whether it C(answers). C(steps) has the steps of
      each as text.
    - C(drain), C(nodes), C(dead_nodes) and C(leases) have addresses; C(members), C(wipe), C(machines) and C(lines) have names of hosts, the last one of
      those that the inventory still lists. C(etcd_host) is a healthy host of etcd that stays.
    - C(done) has hosts that were removed before, C(unfinished) those whose removal was interrupted.
  type: dict
"""

from ansible.errors import AnsibleFilterError

from ..plugin_utils._controller.shapes import Prose
from ..plugin_utils._removal.plan import Cluster, plan, text


def removal_plan(
    report,
    remove,
    removals=None,
    topology="proxy",
    api_host="",
    provider=None,
    volumes=None,
    confirm="",
    cluster_name="",
):
    """Return the plan."""
    if confirm and confirm != cluster_name:
        raise AnsibleFilterError(f"remove_confirm: found {confirm}, expected {cluster_name}, the name of this cluster. Nothing was changed")
    if volumes is not None:
        volumes = {name: [Prose(300)(title, "") for title in titles] for name, titles in volumes.items()}
    cluster = Cluster(report, removals or {}, topology, api_host, provider, volumes)
    made = plan(cluster, remove, bool(confirm))
    return {**made, "text": text(made, cluster_name)}


class FilterModule:
    """The filter of this file."""

    def filters(self):
        """Return filters by name."""
        return {"removal_plan": removal_plan}

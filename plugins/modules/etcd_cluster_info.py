#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Return the members of an etcd cluster and their health."""

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_cluster_info
short_description: Return the members of an etcd cluster and their health
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Queries all members in parallel. The module does not fail if a member does not answer, but returns the reason.
extends_documentation_fragment:
  - cfcr.kubernetes._attributes.actiongroup_etcd
  - cfcr.kubernetes._etcd_connection
  - cfcr.kubernetes._attributes.info
"""

EXAMPLES = r"""
- name: Get the state of etcd
  cfcr.kubernetes.etcd_cluster_info:
    endpoints: ["https://10.0.0.1:2379", "https://10.0.0.2:2379", "https://10.0.0.3:2379"]
    password: "{{ etcd_root_password }}"
  register: etcd
"""

RETURN = r"""
healthy:
  description: Whether the cluster has a quorum, every member is a healthy voter, and no alarm is raised.
  returned: success
  type: bool
  sample: true
quorum:
  description: Number of voters, of healthy voters, and of those needed for a quorum, and whether it is reached.
  returned: success
  type: dict
  sample: {voters: 3, healthy: 3, needed: 2, reached: true}
cluster_id:
  description: ID of the cluster, in hexadecimal as etcdctl prints it; empty without a quorum.
  returned: success
  type: str
  sample: cdf818194e3a8c32
leader:
  description: Name of the leader; empty without one.
  returned: success
  type: str
  sample: etcd-0
members:
  description: The members; empty without a quorum.
  returned: success
  type: list
  elements: dict
  contains:
    id: {description: ID in hexadecimal., type: str, returned: always}
    name: {description: Name; empty if it has never started., type: str, returned: always}
    peer_urls: {description: URLs for other members., type: list, elements: str, returned: always}
    client_urls: {description: URLs for clients., type: list, elements: str, returned: always}
    learner: {description: Whether it is a learner without a vote., type: bool, returned: always}
    healthy: {description: Whether it takes part in the quorum., type: bool, returned: always}
    problem: {description: Reason why it is not healthy., type: str, returned: always}
    version: {description: Version of etcd., type: str, returned: when it answers}
    db_size: {description: Size of its database in bytes., type: int, returned: when it answers}
    raft_term: {description: Raft term., type: int, returned: when it answers}
    raft_index: {description: Raft index of the last entry in its log., type: int, returned: when it answers}
alarms:
  description: Alarms that are raised.
  returned: success
  type: list
  elements: dict
  sample: [{member: etcd-0, alarm: NOSPACE}]
problems:
  description: Reasons why members are not healthy, by client URL.
  returned: success
  type: dict
  sample: {"https://10.0.0.3:2379": connection refused}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd import membership
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.client import CONNECTION, Etcd, EtcdError


def cluster_info(etcd: Etcd) -> dict[str, t.Any]:
    """Return the result of the module."""
    health = etcd.health(etcd.endpoints)
    cluster, members, alarms = None, (), []
    if "" in health.values():
        etcd.prefer(next(url for url, reason in health.items() if not reason))
        cluster, members = membership.read(etcd)
        health.update(etcd.health({url for member in members for url in member.client_urls} - health.keys()))
        alarms = etcd.call("/v3/maintenance/alarm", {"action": "GET"}).get("alarms", [])
    statuses = {member.id: status(etcd, member, health) for member in members}
    return summary(cluster, members, health, statuses, alarms)


def status(etcd: Etcd, member: membership.Member, health: dict[str, str]) -> dict[str, t.Any]:
    """Return the status that a healthy member reports."""
    for url in member.client_urls:
        if health.get(url) == "":
            try:
                return etcd.call("/v3/maintenance/status", url=url)
            except EtcdError as error:
                health[url] = error.reason
    return {}


def summary(
    cluster: int | None,
    members: t.Sequence[membership.Member],
    health: dict[str, str],
    statuses: dict[int, dict[str, t.Any]],
    alarms: list[dict[str, t.Any]],
) -> dict[str, t.Any]:
    """Return the answers of the members as the result of the module."""
    names = {member.id: member.name or f"{member.id:x}" for member in members}
    voters = [member for member in members if not member.learner]
    well = membership.healthy(members, health)
    quorum = {"voters": len(voters), "healthy": len([one for one in voters if one in well]), "needed": len(voters) // 2 + 1}
    leaders = {int(answer["leader"]) for answer in statuses.values() if answer.get("leader")}
    return {
        "healthy": bool(voters) and len(well) == len(voters) == len(members) and not alarms,
        "quorum": {**quorum, "reached": bool(voters) and quorum["healthy"] >= quorum["needed"]},
        "cluster_id": f"{cluster:x}" if cluster is not None else "",
        "leader": names.get(leaders.pop(), "") if len(leaders) == 1 else "",
        "members": [describe(member, member in well, health, statuses[member.id]) for member in members],
        "alarms": [{"member": names.get(int(alarm["memberID"]), alarm["memberID"]), "alarm": alarm["alarm"]} for alarm in alarms],
        "problems": {url: reason for url, reason in sorted(health.items()) if reason},
    }


def describe(member: membership.Member, is_healthy: bool, health: dict[str, str], answer: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return one member."""
    fields = {
        "id": f"{member.id:x}",
        "name": member.name,
        "peer_urls": list(member.peer_urls),
        "client_urls": list(member.client_urls),
        "learner": member.learner,
        "healthy": is_healthy,
        "problem": "" if is_healthy else membership.reason(member, health),
    }
    if answer:
        fields["version"] = answer["version"]
        fields.update(db_size=int(answer["dbSize"]), raft_term=int(answer["raftTerm"]), raft_index=int(answer["raftIndex"]))
    return fields


def main() -> None:
    """Return the members of an etcd cluster and their health."""
    module = AnsibleModule(argument_spec=CONNECTION, supports_check_mode=True)
    try:
        module.exit_json(changed=False, **cluster_info(Etcd(module.params)))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

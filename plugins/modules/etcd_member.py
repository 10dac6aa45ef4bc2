#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep a host a member of etcd, or out of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_member
short_description: Keep a host a member of etcd, or out of it
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Looks at the data on this host and at the cluster, and takes the steps that make this host a member.
  - A host with data is started where it is not running, promoted where it is still a learner, and its peer URL is updated.
    Where the cluster has removed it, its data is moved aside, to C(member.removed-TIME) in O(data_directory), and it joins anew.
  - A host without data never founds a second cluster and never comes back under its old number. Where the cluster lives, its old
    entry is removed, unless the others would lose their quorum, it is added as a learner, started, and promoted when it holds
    all data. Where no cluster is known yet, all members found it together.
  - Safe to interrupt at any point and to run again, on all hosts at the same time.
options:
  state:
    description:
      - V(present) runs on the host of the member.
      - V(absent) removes the member, after it has handed over leadership, and may run on any host that reaches the others. On the
        host of the member it stops O(unit) too.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the member.
    type: str
    required: true
  members:
    description:
      - Peer URLs of all members that there should be, by name, this one included.
      - Required with O(state=present).
    type: dict
    default: {}
  data_directory:
    description: Data directory of etcd.
    type: path
    default: /var/lib/etcd
  bootstrap_file:
    description:
      - File of environment variables that O(unit) reads where it exists.
      - The module writes it right before the first start and removes it as soon as there is data, so that O(unit), which must
        have C(ConditionPathExists=|) for this file and for C(member/wal) in O(data_directory), never starts without data unbidden.
      - The settings of the unit must say C(ETCD_INITIAL_CLUSTER_STATE=existing) in the environment, not as a flag, which would win.
    type: path
    default: /etc/etcd/bootstrap.env
  unit:
    description: Name of the systemd service of etcd.
    type: str
    default: etcd
  founded:
    description:
      - Whether the cluster is known to have been founded. A host without data then waits ten seconds for a cluster with a quorum and
        fails, rather than found a cluster.
    type: bool
    default: false
  initial_cluster_token:
    description: Token of the cluster, used where it is founded.
    type: str
    default: etcd-cluster
  remove_data:
    description: With O(state=absent), on the host of the member, whether its data is deleted.
    type: bool
    default: false
  wait_timeout:
    description: Seconds within which the member must have joined.
    type: float
    default: 120
extends_documentation_fragment:
  - cfcr.kubernetes._attributes.actiongroup_etcd
  - cfcr.kubernetes._etcd_connection
  - cfcr.kubernetes._attributes
seealso:
  - module: cfcr.kubernetes.etcd_cluster_info
"""

EXAMPLES = r"""
- name: Keep every host of the group a member
  cfcr.kubernetes.etcd_member:
    endpoints: ["https://10.0.0.1:2379", "https://10.0.0.2:2379", "https://10.0.0.3:2379"]
    password: "{{ etcd_root_password }}"
    name: etcd-0
    members:
      etcd-0: https://10.0.0.1:2380
      etcd-1: https://10.0.0.2:2380
      etcd-2: https://10.0.0.3:2380
    founded: true

- name: Remove a member whose host is gone
  cfcr.kubernetes.etcd_member:
    endpoints: ["https://10.0.0.1:2379", "https://10.0.0.2:2379"]
    password: "{{ etcd_root_password }}"
    name: etcd-2
    state: absent
"""

RETURN = r"""
steps:
  description:
    - What was done, or would be done in check mode, in this order.
    - V(found), V(set_aside), V(remove) (the old entry), V(add) (as a learner, and start), V(start), V(settle) (remove the
      bootstrap file), V(update) (the peer URL), V(promote), V(move_leader), V(stop), V(delete).
  returned: success
  type: list
  elements: str
  sample: [remove, add, promote]
cluster_id:
  description: Number of the cluster, in hexadecimal, as etcdctl prints it; empty where no member knew a leader yet.
  returned: success
  type: str
  sample: cdf818194e3a8c32
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.client import CONNECTION
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.join import Join
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.leave import Leave
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish

OPTIONS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "name": {"type": "str", "required": True},
    "members": {"type": "dict", "default": {}},
    "data_directory": {"type": "path", "default": "/var/lib/etcd"},
    "bootstrap_file": {"type": "path", "default": "/etc/etcd/bootstrap.env"},
    "unit": {"type": "str", "default": "etcd"},
    "founded": {"type": "bool", "default": False},
    "initial_cluster_token": {"type": "str", "default": "etcd-cluster", "no_log": False},
    "remove_data": {"type": "bool", "default": False},
    "wait_timeout": {"type": "float", "default": 120},
}


def main() -> None:
    """Keep a host a member of etcd, or out of it."""
    module = AnsibleModule(argument_spec={**CONNECTION, **OPTIONS}, supports_check_mode=True)
    try:
        change = (Join if module.params["state"] == "present" else Leave)(module.params, wait=not module.check_mode)
        finish(module, change.before, change.after, change.apply, steps=change.steps, cluster_id=change.cluster_id)
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

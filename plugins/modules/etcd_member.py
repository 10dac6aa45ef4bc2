#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Join a host to an etcd cluster, or remove it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_member
short_description: Join a host to an etcd cluster, or remove it
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Compares the data on the host with the cluster, and takes the steps that make the host a member.
  - A host with data is started if it is not running, promoted if it is still a learner, and its peer URL is updated. If the cluster has removed it, its
    data is moved to C(member.removed-TIME) in O(data_directory), and it joins again.
  - A host without data never bootstraps a second cluster and never returns under its old ID. If the cluster exists, its old entry is removed, unless
    the others would lose their quorum. Then the host is added as a learner, started, and promoted when it has all data. If no cluster is known yet,
    all members bootstrap it together.
  - The module may be interrupted at any point and run again, on all hosts at the same time.
options:
  state:
    description:
      - V(present) runs on the host of the member.
      - V(absent) removes the member after it has handed over leadership. It may run on any host that reaches the others. On the host of the member it
        also stops O(unit).
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the member. With O(state=absent), it may be its ID in hexadecimal, since a member that has never started has no name.
    type: str
    required: true
  members:
    description:
      - Peer URLs of all members of the cluster, by name, including this one.
      - Required with O(state=present).
    type: dict
    default: {}
  data_directory:
    description: Data directory of etcd.
    type: path
    default: /var/lib/etcd
  bootstrap_file:
    description:
      - File of environment variables that O(unit) reads if it exists.
      - The module writes it right before the first start and removes it as soon as the member has data. O(unit) must have C(ConditionPathExists=|) for
        this file and for C(member/wal) in O(data_directory), so that it never starts without data on its own.
      - The unit must set C(ETCD_INITIAL_CLUSTER_STATE=existing) in its environment. A flag would override the file.
    type: path
    default: /etc/etcd/bootstrap.env
  unit:
    description: Name of the systemd service of etcd.
    type: str
    default: etcd
  bootstrapped:
    description:
      - Whether the cluster has been bootstrapped before. A host without data then waits ten seconds for a cluster with a quorum and fails, instead
        of bootstrapping a cluster.
    type: bool
    default: false
  initial_cluster_token:
    description: Token of the cluster, used when it is bootstrapped.
    type: str
    default: etcd-cluster
  remove_data:
    description: Whether O(state=absent) deletes the data of the member. It has an effect on the host of the member only.
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
- name: Join every host of the group to the cluster
  cfcr.kubernetes.etcd_member:
    endpoints: ["https://10.0.0.1:2379", "https://10.0.0.2:2379", "https://10.0.0.3:2379"]
    password: "{{ etcd_root_password }}"
    name: etcd-0
    members:
      etcd-0: https://10.0.0.1:2380
      etcd-1: https://10.0.0.2:2380
      etcd-2: https://10.0.0.3:2380
    bootstrapped: true

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
    - Steps that were taken, or would be in check mode, in this order.
    - V(bootstrap) (the cluster), V(set_aside) (the data), V(remove) (the old entry), V(add) (as a learner, and start), V(start), V(settle) (remove the
      bootstrap file), V(update) (the peer URL), V(promote), V(move_leader), V(stop), V(delete) (the data).
  returned: success
  type: list
  elements: str
  sample: [remove, add, promote]
cluster_id:
  description: ID of the cluster, in hexadecimal as etcdctl prints it; empty if no member knew a leader yet.
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
    "bootstrapped": {"type": "bool", "default": False},
    "initial_cluster_token": {"type": "str", "default": "etcd-cluster", "no_log": False},
    "remove_data": {"type": "bool", "default": False},
    "wait_timeout": {"type": "float", "default": 120},
}


def main() -> None:
    """Join a host to an etcd cluster, or remove it."""
    module = AnsibleModule(argument_spec={**CONNECTION, **OPTIONS}, supports_check_mode=True)
    try:
        change = (Join if module.params["state"] == "present" else Leave)(module.params, wait=not module.check_mode)
        finish(module, change.before, change.after, change.apply, steps=change.steps, cluster_id=change.cluster_id)
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

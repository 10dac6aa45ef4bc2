#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Record which hosts leave the cluster, and which have left it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_removals
short_description: Record which hosts leave the cluster
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Keeps the record of playbook C(remove). The record is a document in the credential store, so it outlasts runs and
    controllers. The task is delegated to the director.
  - A host is recorded as V(leaving) before the playbook takes it out of the cluster, and as V(removed) afterwards. It keeps its entry until the
    inventory no longer lists it, so that no run installs it again.
extends_documentation_fragment: [cfcr.kubernetes._attributes, cfcr.kubernetes._attributes.action, cfcr.kubernetes._store]
options:
  state:
    description: What to record of O(hosts). V(query) records nothing, V(absent) drops their entries, so that they may join again.
    type: str
    choices: [query, leaving, removed, absent]
    default: query
  hosts:
    description: The C(group) and the C(address) of each host, and its C(member) of etcd if that has another name.
    type: dict
    default: {}
  inventory:
    description:
      - Address of every host of the inventory, by name. An entry in state V(removed) is dropped if the inventory does not have its host, or has it with
        another address, since that is another machine. Without this option, no entry is dropped.
    type: dict
"""

EXAMPLES = r"""
- name: Record that a worker leaves
  cfcr.kubernetes.host_removals:
    store: "{{ cluster_store }}"
    state: leaving
    hosts: {worker-3: {group: worker, address: 10.0.0.24}}
  delegate_to: "{{ cluster_director }}"
  run_once: true
"""

RETURN = r"""
removals:
  description: The hosts that leave or have left, by name, with the time since when they are in this state (UTC).
  type: dict
  returned: success
  sample: {worker-3: {group: worker, address: 10.0.0.24, state: removed, since: "2026-11-29T18:04:00Z"}}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._errors import HostError
from ..module_utils._store.options import find_backend
from ..module_utils._store.removals import SPEC, operate


def main() -> None:
    """Read or change the record."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        result = operate(find_backend(module.params["store"]), module.params, module.check_mode)
    except HostError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take, renew or release the lock of a cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_lock
short_description: Take, renew or release the lock of a cluster
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Keeps two runs from changing one cluster at once. The lock lies in the credential store, so the task is delegated to the director.
  - A run that has the lock may take it again, as a playbook does that imports another one, and releases it as often as it took it.
  - The lock of a dead run is taken over, with a warning. A run of the same controller is dead when its process is gone. A run of another
    controller, or in another container, is dead when it has not renewed the lock for its lease.
  - In check mode nothing is taken and nothing is refused.
extends_documentation_fragment: [cfcr.kubernetes._attributes.action, cfcr.kubernetes._store]
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details: Nothing is taken, renewed or released.
  diff_mode:
    description: Returns details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details: A lock is no part of the cluster, so that taking it is never a change.
options:
  state:
    description:
      - V(present) takes the lock. V(renewed) tells others that this run is alive, and fails where it has lost the lock meanwhile.
        V(absent) releases it, where this run has it. V(query) only looks.
    type: str
    choices: [present, renewed, absent, query]
    default: present
  lease:
    description: For how many seconds the lock is kept, against runs of other controllers, without being renewed.
    type: int
    default: 900
  override:
    description: Whether to take the lock whoever has it.
    type: bool
    default: false
  on_held:
    description: Whether a lock that another run has is a failure, or only told in RV(held).
    type: str
    choices: [fail, report]
    default: fail
  serial:
    description: Takes the lock only where nobody has taken it since it had this RV(serial).
    type: int
  holder:
    description: Who this run is; the action knows.
    type: dict
    default: {}
  gone:
    description: The holder that the action has seen to be dead.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Keep other runs from changing the cluster
  cfcr.kubernetes.cluster_lock:
    store: "{{ cluster_store }}"
  delegate_to: "{{ cluster_director }}"
  run_once: true

- name: Let other runs change the cluster
  cfcr.kubernetes.cluster_lock:
    store: "{{ cluster_store }}"
    state: absent
  delegate_to: "{{ cluster_director }}"
  run_once: true
"""

RETURN = r"""
held:
  description: Why this run has not got the lock; empty where it has.
  type: str
  returned: success
  sample: >-
    site.yml has been changing the cluster for 65 s (user root on controller, process 4711; last heard of 20 s ago, lease 15 min 0 s)
holder:
  description: Who has the lock; empty where nobody has.
  type: dict
  returned: success
  sample: {hostname: controller, pid: 4711, user: root, playbook: site.yml, job: ""}
serial:
  description: How often the lock was taken so far.
  type: int
  returned: success
  sample: 7
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._errors import HostError
from ..module_utils._store.lock import SPEC, operate
from ..module_utils._store.options import find_backend


def main() -> None:
    """Do what is asked for."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        result = operate(find_backend(module.params["store"]), module.params, module.check_mode)
    except HostError as error:
        module.fail_json(msg=str(error))
    for warning in result.pop("warnings", []):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()

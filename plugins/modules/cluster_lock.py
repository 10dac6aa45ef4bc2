#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take, renew or release the lock of a cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_lock
short_description: Take, renew or release the lock of a cluster
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Keeps two runs from changing one cluster at once. The lock is a document in the credential store, so the task is delegated to the director.
  - The holder can take the lock again, as a playbook that imports another one does, and must release it as often.
  - The lock of a dead run is taken over, with a warning. A run on the same controller is dead if its process is gone. A run on another
    controller, or in another container, is dead if it has not renewed the lock for its lease.
  - In check mode the lock is neither taken nor refused.
extends_documentation_fragment: [cfcr.kubernetes._attributes, cfcr.kubernetes._attributes.action, cfcr.kubernetes._store]
attributes:
  check_mode:
    support: full
    details: Nothing is taken, renewed or released.
  diff_mode:
    support: none
  idempotent:
    support: full
    details: The lock is not part of the cluster, so taking it is never a change.
options:
  state:
    description:
      - V(present) takes the lock. V(renewed) extends its lease, also one that has expired, and fails if another run has had the lock since. V(absent)
        releases the lock if this run holds it. V(query) only reads it.
    type: str
    choices: [present, renewed, absent, query]
    default: present
  lease:
    description: For how many seconds runs on other controllers respect the lock without a renewal.
    type: int
    default: 900
  override:
    description: Whether to take the lock even if another run holds it.
    type: bool
    default: false
  on_held:
    description: Whether a lock that another run holds is an error, or is only reported in RV(held).
    type: str
    choices: [fail, report]
    default: fail
  serial:
    description: Take the lock only if no other run has taken it since it had this RV(serial).
    type: int
  holder:
    description: Identity of this run. Set by the action only.
    type: dict
    default: {}
  gone:
    description: ID of a holder that the action found dead. Set by the action only.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Take the cluster lock
  cfcr.kubernetes.cluster_lock:
    store: "{{ cluster_store }}"
  delegate_to: "{{ cluster_director }}"
  run_once: true

- name: Release the cluster lock
  cfcr.kubernetes.cluster_lock:
    store: "{{ cluster_store }}"
    state: absent
  delegate_to: "{{ cluster_director }}"
  run_once: true
"""

RETURN = r"""
held:
  description: Why this run does not have the lock; empty if it has.
  type: str
  returned: success
  sample: >-
    site.yml has been changing the cluster for 65 s (user root on controller, process 4711; last renewed 20 s ago, lease 15 min 0 s)
holder:
  description: Holder of the lock; empty if it is free.
  type: dict
  returned: success
  sample: {hostname: controller, pid: 4711, user: root, playbook: site.yml, job: ""}
serial:
  description: Number of times that the lock has been taken.
  type: int
  returned: success
  sample: 7
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._errors import HostError
from ..module_utils._store.lock import SPEC, operate
from ..module_utils._store.options import find_backend


def main() -> None:
    """Take, renew, release or query the lock."""
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

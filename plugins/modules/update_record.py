#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read and change the record of an update."""

from __future__ import annotations

DOCUMENTATION = r"""
module: update_record
short_description: Record the plan and the progress of an update
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Keeps the plan of an update and the hosts that are done, as a document in the credential store. So another run resumes an update that was killed,
    and an operator pauses one from another shell. The task is delegated to the director.
  - In check mode nothing is recorded.
extends_documentation_fragment: [cfcr.kubernetes._attributes, cfcr.kubernetes._attributes.action, cfcr.kubernetes._store]
attributes:
  check_mode:
    support: full
    details: Nothing is recorded.
  diff_mode:
    support: none
  idempotent:
    support: full
    details: The record is not part of the cluster, so an entry is never a change.
options:
  state:
    description:
      - V(query) only reads. V(begun) records O(plan), or resumes the same update. V(backed_up) records O(backup). V(done) records that O(hosts) have
        gone through O(step). V(paused) asks the running update to end after its batch. V(finished) ends the update.
    type: str
    choices: [query, begun, backed_up, done, paused, finished]
    default: query
  plan:
    description: The plan, as P(cfcr.kubernetes.update_plan#filter) returns it.
    type: dict
    default: {}
  replace:
    description:
      - Whether the plan replaces that of an update which is not finished. Otherwise the module fails if that one is another update, was made with other
        options, or has hosts in no step that are behind. A roll back without such a reason is resumed nevertheless.
    type: bool
    default: false
  backup:
    description: Name of the backup that was made before the first change.
    type: str
    default: ""
  step:
    description: Number of the step, from 0 on.
    type: int
    default: 0
  hosts:
    description: Hosts that are done.
    type: list
    elements: str
    default: []
  failed:
    description: The reason by host that failed and went back to its former state. The update ends.
    type: dict
    default: {}
  blocked:
    description: The reason by worker that could not be drained and is as before. The update goes on with the next one.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Ask the running update to end after its batch
  cfcr.kubernetes.update_record:
    store: "{{ cluster_store }}"
    state: paused
  delegate_to: "{{ cluster_director }}"
  run_once: true
"""

RETURN = r"""
record:
  description:
    - The plan with C(backup), C(done), the hosts by the number of the step, C(done_at), the time of the last one, C(failed) and C(blocked) of this run,
      C(paused), and C(finished). C(given_up) has the IDs of the plans before it that were not finished, and C(reached) what hosts have reached in
      them, C(following) what they would have got next, C(emulated_at) since when all masters emulate by them. Empty if no update has ever begun.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._errors import HostError
from ..module_utils._store.options import find_backend
from ..module_utils._store.updates import SPEC, operate


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

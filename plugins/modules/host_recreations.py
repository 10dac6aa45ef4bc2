#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read and extend the record of hosts that repair has recreated."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_recreations
short_description: Record which hosts repair recreates
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Keeps the record by which playbook C(repair) limits how often it recreates hosts. The record is a document in the
    credential store, so it outlasts runs and controllers. The task is delegated to the director.
  - The record has the last hour by the clock of the director. If that clock was set back by up to an hour, recreations that seem to be in the
    future count as well.
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
    details: The record is not part of the cluster, so an entry is never a change. Every call adds its hosts once more.
options:
  add:
    description: Hosts that are about to be recreated. Without any, the record is only read.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Record the hosts before they are recreated
  cfcr.kubernetes.host_recreations:
    store: "{{ cluster_store }}"
    add: [worker-0]
  delegate_to: "{{ cluster_director }}"
  run_once: true
"""

RETURN = r"""
recreations:
  description: The recreations of the last hour, the oldest first, with the time in seconds since 1970 (UTC).
  type: list
  elements: dict
  returned: success
  sample: [{host: worker-0, at: 1795255000.5}]
now:
  description: Time of the director's clock, in seconds since 1970 (UTC).
  type: float
  returned: success
  sample: 1795255900.5
problem:
  description: Why the record cannot be read, V(null) if it can. With O(add) this is an error.
  type: str
  returned: success
  sample: null
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._errors import HostError
from ..module_utils._store.options import find_backend
from ..module_utils._store.recreations import SPEC, operate


def main() -> None:
    """Read or extend the record."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        result = operate(find_backend(module.params["store"]), module.params, module.check_mode)
    except HostError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()

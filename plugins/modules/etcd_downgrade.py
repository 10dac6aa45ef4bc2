#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prepare etcd for binaries of the minor version before."""

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_downgrade
short_description: Prepare etcd for binaries of the minor version before, or cancel that
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Validates and enables a downgrade, and waits until every member stores its data in the format of the older minor. Then the members may get older
    binaries, one after the other. etcd ends the downgrade itself when all of them have it.
options:
  state:
    description:
      - V(enabled) changes nothing if a member already runs that minor.
      - V(cancelled) cancels a downgrade to a minor before O(version).
      - V(query) returns what the members store that answer. If one stores a newer format than that of O(version), no member can go back to that minor.
    type: str
    choices: [enabled, cancelled, query]
    default: enabled
  version:
    description: The minor version that members are to have, such as V(3.6).
    type: str
    required: true
  wait_timeout:
    description:
      - Seconds to wait until every member stores the older format, or knows that the downgrade is cancelled.
      - With V(query), seconds to wait for a newer format, which the leader introduces some seconds after the last member has begun to run a newer minor.
    type: float
    default: 60
extends_documentation_fragment:
  - cfcr.kubernetes._attributes.actiongroup_etcd
  - cfcr.kubernetes._etcd_connection
  - cfcr.kubernetes._attributes
attributes:
  diff_mode:
    support: none
seealso:
  - name: Downgrade etcd from v3.7 to v3.6
    description: The procedure of the project.
    link: https://etcd.io/docs/v3.7/downgrades/downgrade_3_7/
"""

EXAMPLES = r"""
- name: Prepare etcd for binaries of 3.6
  cfcr.kubernetes.etcd_downgrade:
    endpoints: ["https://10.0.0.1:2379", "https://10.0.0.2:2379", "https://10.0.0.3:2379"]
    password: "{{ etcd_root_password }}"
    version: "3.6"
  run_once: true

- name: Cancel a downgrade, so that members of 3.7 store their own format again
  cfcr.kubernetes.etcd_downgrade:
    endpoints: ["https://10.0.0.1:2379", "https://10.0.0.2:2379", "https://10.0.0.3:2379"]
    password: "{{ etcd_root_password }}"
    version: "3.7"
    state: cancelled
  run_once: true
"""

RETURN = r"""
storage:
  description: The version of the format in which each member stores its data, by URL. Only V(enabled) needs all members to answer.
  returned: success
  type: dict
  sample: {"https://10.0.0.1:2379": 3.6.0}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._errors import HostError
from ..module_utils._etcd.client import CONNECTION, Etcd
from ..module_utils._etcd.downgrade import cancel, downgrade, stored


def main() -> None:
    """Enable or cancel the downgrade, or look."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION,
            "state": {"type": "str", "choices": ["enabled", "cancelled", "query"], "default": "enabled"},
            "version": {"type": "str", "required": True},
            "wait_timeout": {"type": "float", "default": 60},
        },
        supports_check_mode=True,
    )
    cluster, version, seconds = Etcd(module.params), module.params["version"], module.params["wait_timeout"]
    try:
        if module.params["state"] == "query":
            result = stored(cluster, version, seconds)
        else:
            change = downgrade if module.params["state"] == "enabled" else cancel
            result = change(cluster, version, seconds, module.check_mode)
    except HostError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()

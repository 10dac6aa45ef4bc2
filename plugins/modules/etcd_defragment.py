#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Return the free space of etcd's databases to the file system."""

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_defragment
short_description: Return the free space of etcd's databases to the file system
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Defragments the members of etcd one after the other, the leader last, after it has handed over leadership. It waits until all members are healthy
    before it goes on.
  - It refuses a cluster with a member that is not healthy.
  - If a database is full (alarm C(NOSPACE)), it also drops the history of the keys, and clears the alarm once all databases are below their quota.
options:
  free_percent:
    description:
      - Defragment the members whose database has at least this percentage of free space, and 8 MiB. If a database is full, all members are defragmented.
    type: int
    default: 20
  defragment_timeout:
    description: Seconds that the defragmentation of one member may take.
    type: float
    default: 300
  wait_timeout:
    description: Seconds to wait after each defragmentation until all members are healthy.
    type: float
    default: 60
extends_documentation_fragment:
  - cfcr.kubernetes._attributes.actiongroup_etcd
  - cfcr.kubernetes._etcd_connection
  - cfcr.kubernetes._attributes
seealso:
  - module: cfcr.kubernetes.etcd_cluster_info
"""

EXAMPLES = r"""
- name: Defragment etcd
  cfcr.kubernetes.etcd_defragment:
    endpoints: ["https://10.0.0.1:2379", "https://10.0.0.2:2379", "https://10.0.0.3:2379"]
    password: "{{ etcd_root_password }}"
  run_once: true
"""

RETURN = r"""
databases:
  description: The members that were due, in order, with the sizes of their databases in MiB. In check mode, the size after is that of the data.
  returned: success
  type: list
  elements: dict
  sample: [{name: etcd-1, before_mib: 1830.2, after_mib: 412.7}]
alarms:
  description: The alarms that were cleared.
  returned: success
  type: list
  elements: str
  sample: [NOSPACE]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.client import CONNECTION
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.defragment import MIB, NO_SPACE, Defragmentation


def defragmented(params: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Defragment what is due, unless in check mode, and return the sizes."""
    work = Defragmentation(params)
    before = {database.name: database.size for database in work.due}
    alarms = [NO_SPACE] if work.full else []
    if not check_mode:
        work.apply()
    sizes = {database.name: database.in_use if check_mode else database.size for database in work.databases}
    databases = [{"name": name, "before_mib": mib(size), "after_mib": mib(sizes[name])} for name, size in before.items()]
    return {
        "changed": bool(before or alarms),
        "databases": databases,
        "alarms": alarms,
        "diff": {
            "before": {**{entry["name"]: f"{entry['before_mib']} MiB" for entry in databases}, "alarms": alarms},
            "after": {**{entry["name"]: f"{entry['after_mib']} MiB" for entry in databases}, "alarms": []},
        },
    }


def mib(size: int) -> float:
    """Return a number of bytes in MiB."""
    return round(size / MIB, 1)


def main() -> None:
    """Defragment the members."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION,
            "free_percent": {"type": "int", "default": 20},
            "defragment_timeout": {"type": "float", "default": 300},
            "wait_timeout": {"type": "float", "default": 60},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**defragmented(module.params, module.check_mode))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

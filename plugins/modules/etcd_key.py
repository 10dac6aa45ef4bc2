#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Set or delete a key of etcd."""

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_key
short_description: Set or delete a key of etcd
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Sets a key that has another value or none, or deletes it.
options:
  key:
    description: The key.
    type: str
    required: true
  value:
    description:
      - The value. It is shown in the diff.
      - Required with O(state=present).
    type: str
  state:
    description: Whether the key is set or deleted.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - cfcr.kubernetes._attributes.actiongroup_etcd
  - cfcr.kubernetes._etcd_connection
  - cfcr.kubernetes._attributes
"""

EXAMPLES = r"""
- name: Configure flannel's network
  cfcr.kubernetes.etcd_key:
    endpoints: ["https://10.0.0.1:2379"]
    password: "{{ etcd_root_password }}"
    key: /coreos.com/network/config
    value: "{{ {'Network': '10.200.0.0/16', 'Backend': {'Type': 'vxlan'}} | to_json }}"
"""

RETURN = r"""
diff:
  description: The key and its value, before and after. In check mode, as it would be.
  type: dict
  returned: success
  contains:
    before:
      description: C(key) and C(value), which is null if the key does not exist.
      type: dict
      sample: {key: /coreos.com/network/config, value: null}
    after:
      description: C(key) and C(value), which is null if the key does not exist.
      type: dict
      sample: {key: /coreos.com/network/config, value: '{"Network": "10.200.0.0/16"}'}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.client import CONNECTION, Etcd, from_bytes, to_bytes
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish

OPTIONS = {
    "key": {"type": "str", "required": True, "no_log": False},
    "value": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def read(etcd: Etcd, key: str) -> str | None:
    """Return the value of a key."""
    answer = etcd.call("/v3/kv/range", {"key": to_bytes(key)})
    return next((from_bytes(pair.get("value", "")) for pair in answer.get("kvs", ())), None)


def write(etcd: Etcd, key: str, value: str | None) -> dict[str, t.Any]:
    """Put the value of a key, or delete it."""
    if value is None:
        return etcd.call("/v3/kv/deleterange", {"key": to_bytes(key)})
    return etcd.call("/v3/kv/put", {"key": to_bytes(key), "value": to_bytes(value)})


def main() -> None:
    """Set or delete a key of etcd."""
    module = AnsibleModule(
        argument_spec={**CONNECTION, **OPTIONS}, supports_check_mode=True, required_if=[("state", "present", ["value"])]
    )
    key = module.params["key"]
    wanted = module.params["value"] if module.params["state"] == "present" else None
    try:
        etcd = Etcd(module.params)
        found = read(etcd, key)
        finish(module, {"key": key, "value": found}, {"key": key, "value": wanted}, lambda: write(etcd, key, wanted))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

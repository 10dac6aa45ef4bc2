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
revision:
  description:
    - Revision of etcd at which the key was last written. It changes with every write, also if that restores a former value. V(0) if there is no key.
    - In check mode, the next revision if the key would be written.
  type: int
  returned: success
  sample: 14
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
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.client import CONNECTION, Etcd, EtcdError, from_bytes, to_bytes
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish, finish_unread

OPTIONS = {
    "key": {"type": "str", "required": True, "no_log": False},
    "value": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


class Found(t.NamedTuple):
    """The value of a key, the revision at which it was last written, and the revision of etcd."""

    value: str | None
    written: int
    now: int


def read(etcd: Etcd, key: str) -> Found:
    """Return the state of a key."""
    answer = etcd.call("/v3/kv/range", {"key": to_bytes(key)})
    now = int(answer["header"]["revision"])
    pair = next(iter(answer.get("kvs", ())), None)
    return Found(from_bytes(pair.get("value", "")), int(pair["mod_revision"]), now) if pair else Found(None, 0, now)


def write(etcd: Etcd, key: str, value: str | None) -> int:
    """Put the value of a key, or delete it, and return the revision of the key."""
    if value is None:
        etcd.call("/v3/kv/deleterange", {"key": to_bytes(key)})
        return 0
    return int(etcd.call("/v3/kv/put", {"key": to_bytes(key), "value": to_bytes(value)})["header"]["revision"])


def main() -> None:
    """Set or delete a key of etcd."""
    module = AnsibleModule(
        argument_spec={**CONNECTION, **OPTIONS}, supports_check_mode=True, required_if=[("state", "present", ["value"])]
    )
    key = module.params["key"]
    wanted = module.params["value"] if module.params["state"] == "present" else None
    try:
        etcd = Etcd(module.params)
        try:
            found = read(etcd, key)
        except EtcdError as error:
            if not module.check_mode or not error.unavailable:
                raise
            finish_unread(module, error, {"key": key, "value": wanted}, revision=0)
        revision = found.written
        if wanted != found.value:
            revision = (found.now + 1 if wanted is not None else 0) if module.check_mode else write(etcd, key, wanted)
        finish(module, {"key": key, "value": found.value}, {"key": key, "value": wanted}, lambda: None, revision=revision)
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

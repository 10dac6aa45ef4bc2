#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Count the Secrets of a cluster by encryption provider and key."""

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_encryption_info
short_description: Count the Secrets of a cluster by encryption provider and key
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Counts the Secrets in etcd by the encryption provider and key of the API servers that wrote them.
  - It reads them from the beginning of each value, and never returns a value.
extends_documentation_fragment:
  - cfcr.kubernetes._attributes.actiongroup_etcd
  - cfcr.kubernetes._etcd_connection
  - cfcr.kubernetes._attributes.info
"""

EXAMPLES = r"""
- name: Count Secrets by encryption key
  cfcr.kubernetes.etcd_encryption_info:
    endpoints: ["https://10.0.0.1:2379"]
    password: "{{ etcd_root_password }}"
"""

RETURN = r"""
encrypted:
  description: Number of Secrets by provider, its version and the name of the key; V(plain) counts Secrets that are not encrypted.
  type: dict
  returned: success
  sample: {"secretbox:v1:key-2": 57}
"""

import collections

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.client import CONNECTION, Etcd
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.registry import SECRETS, encryption, pairs


def main() -> None:
    """Count the Secrets."""
    module = AnsibleModule(argument_spec=CONNECTION, supports_check_mode=True)
    try:
        found = collections.Counter(encryption(value) for _key, value in pairs(Etcd(module.params), SECRETS))
        module.exit_json(changed=False, encrypted=dict(found))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

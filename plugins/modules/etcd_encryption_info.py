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

import base64
import collections
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.client import CONNECTION, Etcd, prefix_end, to_bytes

ENCRYPTED = b"k8s:enc:"
SECRETS = "/registry/secrets/"
PAGE = 200  # keys in one request


def encryption(value: bytes) -> str:
    """Return the provider, its version and the name of the key."""
    if not value.startswith(ENCRYPTED):
        return "plain"
    return b":".join(value.split(b":", 5)[2:5]).decode(errors="backslashreplace")


def values(etcd: Etcd, prefix: str, page: int) -> t.Iterator[bytes]:
    """Yield the values of all keys, page by page, all of one revision."""
    start, revision = to_bytes(prefix), "0"
    while True:
        answer = etcd.call("/v3/kv/range", {"key": start, "range_end": prefix_end(prefix), "limit": page, "revision": revision})
        pairs = answer.get("kvs", [])
        for pair in pairs:
            yield base64.b64decode(pair.get("value", ""))
        if not answer.get("more"):
            return
        revision = answer["header"]["revision"] if revision == "0" else revision
        start = base64.b64encode(base64.b64decode(pairs[-1]["key"]) + b"\0").decode()


def main() -> None:
    """Count the Secrets."""
    module = AnsibleModule(argument_spec=CONNECTION, supports_check_mode=True)
    try:
        found = values(Etcd(module.params), SECRETS, PAGE)
        module.exit_json(changed=False, encrypted=dict(collections.Counter(map(encryption, found))))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

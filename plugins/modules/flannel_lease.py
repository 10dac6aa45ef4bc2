#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Delete the leases of hosts that have left the overlay network."""

from __future__ import annotations

DOCUMENTATION = r"""
module: flannel_lease
short_description: Delete the leases of hosts that have left the overlay network
version_added: "0.10.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Deletes the leases of flannel that hosts with these addresses have in etcd. The other hosts then remove their routes to them. Without this, flannel
    keeps a lease for 24 hours after its host has gone.
  - flanneld must no longer run on these hosts, because it takes a new lease when it restarts.
options:
  addresses:
    description: Addresses of the hosts that have left. Either this or O(keep) is required.
    type: list
    elements: str
  keep:
    description: Addresses of the hosts that stay. The leases of all others are deleted.
    type: list
    elements: str
  prefix:
    description: Prefix of the keys of the leases.
    type: str
    default: /coreos.com/network/subnets/
extends_documentation_fragment:
  - cfcr.kubernetes._attributes.actiongroup_etcd
  - cfcr.kubernetes._etcd_connection
  - cfcr.kubernetes._attributes
"""

EXAMPLES = r"""
- name: Delete the lease of a worker that has left
  cfcr.kubernetes.flannel_lease:
    endpoints: ["https://10.0.0.1:2379"]
    password: "{{ etcd_root_password }}"
    addresses: [10.0.0.24]
"""

RETURN = r"""
leases:
  description: The subnets whose leases were deleted, or would be in check mode, with the address of their host.
  type: dict
  returned: success
  sample: {10.200.7.0-24: 10.0.0.24}
"""

import json
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.client import CONNECTION, Etcd, from_bytes, prefix_end, to_bytes
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish

OPTIONS = {
    "addresses": {"type": "list", "elements": "str"},
    "keep": {"type": "list", "elements": "str"},
    "prefix": {"type": "str", "default": "/coreos.com/network/subnets/"},
}


def leases(pairs: t.Iterable[dict[str, str]]) -> dict[str, str]:
    """Return the address of the host by key, of the keys and values in an answer of etcd. A value that is no lease has no host."""
    found = {}
    for pair in pairs:
        try:
            found[from_bytes(pair["key"])] = str(json.loads(from_bytes(pair.get("value", "")))["PublicIP"])
        except (ValueError, LookupError, TypeError):
            continue
    return found


def has_left(address: str, addresses: t.Collection[str] | None, keep: t.Collection[str] | None) -> bool:
    """Return whether the host with this address has left, given those that have left, or those that stay."""
    return address in addresses if addresses is not None else address not in (keep or ())


def main() -> None:
    """Delete the leases."""
    either = ["addresses", "keep"]
    module = AnsibleModule(argument_spec={**CONNECTION, **OPTIONS}, mutually_exclusive=[either], required_one_of=[either], supports_check_mode=True)
    prefix = module.params["prefix"]
    try:
        etcd = Etcd(module.params)
        answer = etcd.call("/v3/kv/range", {"key": to_bytes(prefix), "range_end": prefix_end(prefix)})
        before = {key: address for key, address in leases(answer.get("kvs", ())).items() if has_left(address, *(module.params[name] for name in either))}

        def delete() -> None:
            for key in before:
                etcd.call("/v3/kv/deleterange", {"key": to_bytes(key)})

        deleted = {key[len(prefix):]: address for key, address in before.items()}
        finish(module, deleted, {}, delete, leases=deleted)
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

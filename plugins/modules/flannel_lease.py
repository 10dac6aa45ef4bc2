#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Change the leases of the overlay network: those of hosts that have left, and those that differ from the addresses of pods."""

from __future__ import annotations

DOCUMENTATION = r"""
module: flannel_lease
short_description: Delete leases of hosts that have left the overlay network, and give hosts the lease of their pods
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Deletes the leases of flannel that hosts with these addresses have in etcd. The other hosts then remove their routes to them. Without this, flannel
    keeps a lease for 24 hours after its host has gone.
  - flanneld must no longer run on these hosts, because it takes a new lease when it restarts.
  - With O(subnets), hosts get the lease of the subnet that their pods have, which etcd does not know any more after it was restored from a backup. Otherwise,
    flanneld would take the lease that the backup has for its address, and the host could start no pod, because its bridge has the other subnet.
options:
  addresses:
    description: Addresses of the hosts that have left. Either this or O(keep) is required.
    type: list
    elements: str
  keep:
    description: Addresses of the hosts that stay. The leases of all others are deleted.
    type: list
    elements: str
  subnets:
    description:
      - Subnets of pods by the address of their host. A host that has another lease loses it. If several hosts have one subnet, their leases
        stay as they are.
    type: dict
    default: {}
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
given:
  description: The subnets whose leases were given to other hosts, or would be in check mode, with the address of the host.
  type: dict
  returned: success
  sample: {10.200.9.0-24: 10.0.0.21}
"""

import collections
import json
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.client import CONNECTION, Etcd, from_bytes, prefix_end, to_bytes
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish

OPTIONS = {
    "addresses": {"type": "list", "elements": "str"},
    "keep": {"type": "list", "elements": "str"},
    "subnets": {"type": "dict", "default": {}},
    "prefix": {"type": "str", "default": "/coreos.com/network/subnets/"},
}
_SECONDS = 24 * 3600  # flannel's own


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


def given(found: t.Mapping[str, str], subnets: t.Mapping[str, str]) -> dict[str, str]:
    """Return the leases that hosts must get, given those that they have, and the subnets of their pods by address."""
    claims = collections.Counter(subnets.values())
    wanted = {subnet.replace("/", "-"): address for address, subnet in subnets.items() if claims[subnet] == 1}
    return {subnet: address for subnet, address in wanted.items() if found.get(subnet) != address}


def replaced(found: t.Mapping[str, str], gets: t.Mapping[str, str]) -> dict[str, str]:
    """Return the other leases of hosts that get one. flanneld would take either of two."""
    return {subnet: address for subnet, address in found.items() if subnet not in gets and address in gets.values()}


def give(etcd: Etcd, key: str, address: str) -> None:
    """Give a host a lease. Without data of a backend the others ignore it, until flanneld of the host finds it by the address and completes it."""
    lease = etcd.call("/v3/lease/grant", {"TTL": _SECONDS})["ID"]
    value = json.dumps({"PublicIP": address, "BackendType": "vxlan"})
    etcd.call("/v3/kv/put", {"key": to_bytes(key), "value": to_bytes(value), "lease": lease})


def main() -> None:
    """Change the leases."""
    either = ["addresses", "keep"]
    module = AnsibleModule(argument_spec={**CONNECTION, **OPTIONS}, mutually_exclusive=[either], required_one_of=[either], supports_check_mode=True)
    prefix, addresses, keep, subnets = (module.params[name] for name in ("prefix", *either, "subnets"))
    try:
        etcd = Etcd(module.params)
        answer = etcd.call("/v3/kv/range", {"key": to_bytes(prefix), "range_end": prefix_end(prefix)})
        found = {key[len(prefix):]: address for key, address in leases(answer.get("kvs", ())).items()}
        gets = given(found, subnets)
        left = {subnet: address for subnet, address in found.items() if has_left(address, addresses, keep) and subnet not in gets}
        deleted = {**left, **replaced(found, gets)}
        before = {**deleted, **{subnet: found[subnet] for subnet in gets if subnet in found}}

        def change() -> None:
            for subnet, address in gets.items():
                give(etcd, f"{prefix}{subnet}", address)
            for subnet in deleted:
                etcd.call("/v3/kv/deleterange", {"key": to_bytes(f"{prefix}{subnet}")})

        finish(module, before, gets, change, leases=deleted, given=gets)
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take a snapshot of etcd, and verify it by a restore."""

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_snapshot
short_description: Take a snapshot of etcd that was verified by a restore
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Saves a snapshot of one member, restores it on the same host into a scratch etcd on loopback with another cluster ID, and returns what that
    answers. Then the snapshot goes to the director, C(cluster_director), and nothing is left on the host.
  - The snapshot contains every write that was acknowledged before the module began. It is refused if it is cut off or damaged, if the scratch etcd does not
    start, if the user cannot log in to it, or if its number of keys is not that of another member at the same revision.
  - The scratch etcd has a low priority, and the certificates of the member, so only clients with a certificate of etcd's CA can use it.
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
  - cfcr.kubernetes._attributes.actiongroup_etcd
  - cfcr.kubernetes._attributes.action
  - cfcr.kubernetes._etcd_connection
attributes:
  check_mode:
    support: none
  diff_mode:
    support: none
  idempotent:
    support: full
    details: The module changes nothing in the cluster.
options:
  id:
    description: Name of the backup that the snapshot is for. It names a directory below O(directory).
    type: str
    required: true
  destination:
    description: Directory of the director that gets the file C(etcd.snapshot). The module itself, without its action, leaves the snapshot on the host.
    type: path
  url:
    description: Client URL of the member, with HTTPS. It should be the one on this host, and a follower.
    type: str
    required: true
  directory:
    description: Directory for the snapshot and its restored copy. The module creates it.
    type: path
    default: /var/lib/cfcr-snapshots
  programs:
    description: Directory of C(etcd) and C(etcdutl).
    type: path
    default: /opt/cfcr/bin
  account:
    description: Account that the scratch etcd runs as.
    type: str
    default: etcd
  verify_timeout:
    description: Seconds until the scratch etcd must be healthy.
    type: float
    default: 300
  phase:
    description: V(take), V(read) a piece of a snapshot from O(offset) on, or V(remove) it. For the action.
    type: str
    choices: [take, read, remove]
    default: take
  offset:
    description: Byte of the snapshot at which the piece begins.
    type: int
    default: 0
seealso:
  - module: cfcr.kubernetes.cluster_backup
"""

EXAMPLES = r"""
- name: Take a verified snapshot
  cfcr.kubernetes.etcd_snapshot:
    id: prod-20261129T221500Z.cfcr
    url: https://10.0.0.2:2379
    endpoints: ["https://10.0.0.1:2379", "https://10.0.0.2:2379", "https://10.0.0.3:2379"]
    password: "{{ etcd_root_password }}"
    destination: /var/lib/cfcr-backup/prod
  register: snapshot
"""

RETURN = r"""
snapshot:
  description: The snapshot, and what the scratch etcd answered.
  returned: if O(phase=take)
  type: dict
  contains:
    size: {description: Bytes., type: int, returned: always}
    sha256: {description: SHA-256 of the file., type: str, returned: always}
    member: {description: Client URL of the member that it comes from., type: str, returned: always}
    leader: {description: Whether that member was the leader., type: bool, returned: always}
    etcd_version: {description: Version of the member., type: str, returned: always}
    storage_version: {description: Version of its storage; an older etcd cannot read it., type: str, returned: always}
    cluster_id: {description: ID of the cluster in hexadecimal., type: str, returned: always}
    revision: {description: Revision of etcd., type: int, returned: always}
    key_count: {description: Number of keys., type: int, returned: always}
    objects: {description: Number of objects of Kubernetes by resource., type: dict, returned: always}
    secrets: {description: Number of Secrets by encryption provider and key., type: dict, returned: always}
    samples: {description: One encrypted Secret of each provider and key., type: dict, returned: always}
    authentication: {description: Whether authentication is enabled; then the user can log in., type: bool, returned: always}
    seconds: {description: How long it took., type: float, returned: always}
content:
  description: A piece of the snapshot, compressed with zlib, in base64.
  returned: if O(phase=read)
  type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.client import CONNECTION
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.snapshot import Snapshot

OPTIONS: dict[str, t.Any] = {
    "id": {"type": "str", "required": True},
    "destination": {"type": "path"},
    "url": {"type": "str", "required": True},
    "directory": {"type": "path", "default": "/var/lib/cfcr-snapshots"},
    "programs": {"type": "path", "default": "/opt/cfcr/bin"},
    "account": {"type": "str", "default": "etcd"},
    "verify_timeout": {"type": "float", "default": 300},
    "phase": {"type": "str", "choices": ["take", "read", "remove"], "default": "take"},
    "offset": {"type": "int", "default": 0},
}


def operate(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the result of the module."""
    snapshot = Snapshot(params)
    if params["phase"] == "take":
        return {"snapshot": snapshot.take()}
    if params["phase"] == "read":
        return {"content": snapshot.read(params["offset"])}
    snapshot.remove()
    return {}


def main() -> None:
    """Take, read or remove a snapshot."""
    module = AnsibleModule(argument_spec={**CONNECTION, **OPTIONS}, supports_check_mode=False)
    try:
        module.exit_json(changed=False, **operate(module.params))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

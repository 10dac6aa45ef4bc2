#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore a member of etcd from a snapshot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_restore
short_description: Restore a member of etcd from a snapshot
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Restores one member of a cluster from the snapshot of a backup, which all members get, and compares the members afterwards. Role
    P(cfcr.kubernetes.restore#role) runs the phases.
  - The former data of the member is moved to C(member.before-restore-TIME) in O(data_directory), never deleted.
  - The cluster gets a new ID from O(token), so a member with former data cannot join it. A host whose data has this ID is restored already, so
    a restore that was interrupted goes on.
  - All revisions become higher by O(bump), and those before count as compacted, so that clients with a watch notice that the data is another one.
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
options:
  phase:
    description:
      - V(query) returns the revision that the member has now.
      - V(receive) brings the snapshot from O(source) on the director to the host. V(restore) puts the data in place and starts O(unit), without waiting
        for it. V(verify) runs on one host; it waits for all O(endpoints), and compares them with each other, and with O(keys) and O(objects).
        V(remove) removes the snapshot.
      - V(prepare) and V(append) are for the action.
    type: str
    choices: [query, receive, prepare, append, restore, verify, remove]
    required: true
  id:
    description: Name of the backup. It names a directory below O(directory).
    type: str
    required: true
  source:
    description: Directory of the director with the file C(etcd.snapshot).
    type: path
  directory:
    description: Directory for the snapshot. The module creates it.
    type: path
    default: /var/lib/cfcr-snapshots
  size:
    description: Bytes of the snapshot.
    type: int
  sha256:
    description: SHA-256 of the snapshot.
    type: str
  offset:
    description: Byte of the snapshot at which O(content) begins.
    type: int
    default: 0
  content:
    description: A piece of the snapshot, compressed with zlib, in base64.
    type: str
  name:
    description: Name of the member.
    type: str
  members:
    description: Peer URLs of all members, by name.
    type: dict
    default: {}
  token:
    description: Token of the cluster, which no cluster on these hosts had before.
    type: str
  bump:
    description: The number of revisions by which they become higher.
    type: int
    default: 1000000000
  data_directory:
    description: Data directory of etcd.
    type: path
    default: /var/lib/etcd
  bootstrap_file:
    description: The bootstrap file of M(cfcr.kubernetes.etcd_member), which is removed.
    type: path
    default: /etc/etcd/bootstrap.env
  unit:
    description: Name of the systemd service of etcd.
    type: str
    default: etcd
  account:
    description: Account that etcd runs as.
    type: str
    default: etcd
  programs:
    description: Directory of C(etcdutl).
    type: path
    default: /opt/cfcr/bin
  revision:
    description: The number of the snapshot's revision, with O(bump).
    type: int
  metrics:
    description: Base URL of the member's metrics.
    type: str
    default: http://127.0.0.1:2381
  keys:
    description: Number of keys in the backup.
    type: int
  objects:
    description: Number of objects in the backup by resource.
    type: dict
    default: {}
  wait_timeout:
    description: Seconds until all members must be healthy.
    type: float
    default: 120
seealso:
  - module: cfcr.kubernetes.cluster_restore
  - module: cfcr.kubernetes.etcd_snapshot
"""

EXAMPLES = r"""
- name: Restore the member of this host, and start it
  cfcr.kubernetes.etcd_restore:
    phase: restore
    id: prod-20261129T221500Z.cfcr
    size: 40992
    sha256: 0f5d8f2c1a3e4b60c2d9a77c5ad1b93f5c0e3f9e6a2b4d8871c6f3b2a9e0d417
    endpoints: ["https://10.0.0.1:2379"]
    name: etcd-0
    members: {etcd-0: https://10.0.0.1:2380}
    token: "{{ restore_token }}"
"""

RETURN = r"""
living:
  description: The revision that the member has, V(0) if it does not answer.
  returned: if O(phase=query)
  type: int
received:
  description: Whether the snapshot is on the host.
  returned: if O(phase=receive) or O(phase=prepare)
  type: bool
size:
  description: Bytes of the snapshot so far.
  returned: if O(phase=append)
  type: int
compared:
  description: Whether the restored revision was still there to be compared. API servers that have run since the restore may have compacted it.
  returned: if O(phase=verify)
  type: bool
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.client import CONNECTION
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.restore import MemberRestore

OPTIONS: dict[str, t.Any] = {
    "phase": {"type": "str", "choices": ["query", "receive", "prepare", "append", "restore", "verify", "remove"], "required": True},
    "id": {"type": "str", "required": True},
    "source": {"type": "path"},
    "directory": {"type": "path", "default": "/var/lib/cfcr-snapshots"},
    "size": {"type": "int"},
    "sha256": {"type": "str"},
    "offset": {"type": "int", "default": 0},
    "content": {"type": "str", "no_log": True},
    "name": {"type": "str"},
    "members": {"type": "dict", "default": {}},
    "token": {"type": "str", "no_log": False},
    "bump": {"type": "int", "default": 1_000_000_000},
    "data_directory": {"type": "path", "default": "/var/lib/etcd"},
    "bootstrap_file": {"type": "path", "default": "/etc/etcd/bootstrap.env"},
    "unit": {"type": "str", "default": "etcd"},
    "account": {"type": "str", "default": "etcd"},
    "programs": {"type": "path", "default": "/opt/cfcr/bin"},
    "revision": {"type": "int"},
    "metrics": {"type": "str", "default": "http://127.0.0.1:2381"},
    "keys": {"type": "int", "no_log": False},
    "objects": {"type": "dict", "default": {}},
    "wait_timeout": {"type": "float", "default": 120},
}
REQUIRED_IF = [
    ("phase", "prepare", ("size", "sha256")),
    ("phase", "append", ("content",)),
    ("phase", "restore", ("size", "sha256", "name", "token")),
    ("phase", "verify", ("revision", "keys")),
]


def operate(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the result of the module."""
    restore, phase = MemberRestore(params), params["phase"]
    if phase == "receive":
        raise HostError("phase: found receive without the action of this module, expected its task to run by Ansible")
    if phase == "query":
        return {"changed": False, "living": restore.living()}
    if phase == "prepare":
        return {"changed": False, "received": restore.prepare()}
    if phase == "append":
        return {"changed": True, "size": restore.receive()}
    if phase == "restore":
        return {"changed": restore.restore()}
    if phase == "verify":
        return {"changed": False, "compared": restore.verify()}
    restore.remove()
    return {"changed": False}


def main() -> None:
    """Do one phase of a restore."""
    module = AnsibleModule(argument_spec={**CONNECTION, **OPTIONS}, required_if=REQUIRED_IF, supports_check_mode=False)
    try:
        module.exit_json(**operate(module.params))
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

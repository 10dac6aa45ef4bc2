#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore a cluster on the director."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_restore
short_description: Prove a backup, and restore the store from it
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - The part of a restore that the director does, step by step. Role P(cfcr.kubernetes.restore#role) runs the steps.
  - A store that was lost is imported from the backup with its history. One that is there is kept, and gets those keys of the backup that the restored
    cluster needs, as former keys of a rotation.
  - A record in the store says how far the restore is, so that the same command continues it.
extends_documentation_fragment: [cfcr.kubernetes._attributes, cfcr.kubernetes._backup_targets, cfcr.kubernetes._store]
attributes:
  check_mode:
    support: partial
    details: Only O(phase=prove) runs. It waits for other checks, and removes O(directory) at its end.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: A restore that has finished and is run again begins from the start.
options:
  phase:
    description:
      - V(prove) fetches the backup, verifies all of it, unpacks it into O(directory), and compares it with the cluster. V(store) restores the
        store, and begins the record. V(read) returns a piece of the snapshot. V(note) records O(reached). V(remove) removes O(directory).
    type: str
    choices: [prove, store, read, note, remove]
    required: true
  restore:
    description:
      - Name of a backup, the path of a file on the director, or V(latest). That is the one whose restore was interrupted, or else the newest verified one.
        All targets must answer then. It is refused if an interrupted restore has not reached etcd and there is a newer backup. It is also refused if
        the store has recorded a newer one, or if a target has one from later than now.
    type: str
    default: latest
  only:
    description: With V(store), etcd and the hosts are left as they are.
    type: str
    choices: [everything, store]
    default: everything
  cluster:
    description: Name of the cluster.
    type: str
  directory:
    description: Directory of the director for the time of the restore. The module creates it with mode 0700.
    type: path
  passphrase:
    description: The one with which the backup was encrypted.
    type: str
  about:
    description: What the inventory says of networks and hosts, as O(cfcr.kubernetes.cluster_backup#module:about), and the C(endpoint) of the API.
    type: dict
    default: {}
  hosts:
    description: The hosts of the inventory, for O(phase=prove). Those that have left the cluster are still in the plan of an update that is not finished.
    type: list
    elements: str
  manifest:
    description: RV(manifest) of O(phase=prove).
    type: dict
  living:
    description: The number of the revision of etcd now, V(0) if it does not answer. The restored revisions become higher than that.
    type: int
    default: 0
  offset:
    description: Byte of the snapshot at which the piece begins.
    type: int
    default: 0
  reached:
    description: What the restore has reached.
    type: str
    choices: [restored, finished]
seealso:
  - module: cfcr.kubernetes.cluster_backup
  - module: cfcr.kubernetes.etcd_restore
"""

EXAMPLES = r"""
- name: Prove the newest backup
  cfcr.kubernetes.cluster_restore:
    store: "{{ cluster_store }}"
    phase: prove
    cluster: prod
    directory: /var/lib/cfcr-restore/prod
    passphrase: "{{ backup_passphrase }}"
    hosts: [etcd-0, master-0, worker-0]
    targets:
      - {type: directory, path: /var/backups/cfcr}
  delegate_to: "{{ cluster_director }}"
  register: proved
"""

RETURN = r"""
id:
  description: Name of the backup.
  type: str
  returned: if O(phase=prove)
  sample: prod-20261129T221500Z.cfcr
manifest:
  description: What is in the backup, without secrets.
  type: dict
  returned: if O(phase=prove)
continued:
  description: Whether a restore of this backup was interrupted.
  type: bool
  returned: if O(phase=prove)
problems:
  description: Why the backup does not fit the cluster.
  type: list
  elements: str
  returned: if O(phase=prove)
text:
  description: The backup and the plan in words.
  type: list
  elements: str
  returned: if O(phase=prove)
progress:
  description: The record of the restore.
  type: dict
  returned: if O(phase=store) or O(phase=note)
former:
  description: The records that have former keys next to today's.
  type: list
  elements: str
  returned: if O(phase=store)
content:
  description: A piece of the snapshot, compressed with zlib, in base64.
  type: str
  returned: if O(phase=read)
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._backup.restore import REQUIRED_IF, SPEC, operate
from ..module_utils._errors import HostError
from ..module_utils._store.options import open_store


def main() -> None:
    """Do one step of a restore."""
    module = AnsibleModule(argument_spec=SPEC, required_if=REQUIRED_IF, supports_check_mode=True)
    try:
        module.exit_json(**operate(open_store(module.params), module.params, module.check_mode))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

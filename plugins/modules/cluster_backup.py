#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a backup of a cluster on the director."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_backup
short_description: Make one encrypted file of a snapshot of etcd and of the store, and bring it to targets
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - The part of a backup that the director does, step by step. Role P(cfcr.kubernetes.backup#role) runs the steps.
  - A file counts as a backup once it has been decrypted again, its hashes are right, and it was read back from the target.
  - Old backups are removed only after that, only files with the name of a backup of this cluster, and never the newest verified one.
extends_documentation_fragment: [cfcr.kubernetes._attributes, cfcr.kubernetes._backup_targets, cfcr.kubernetes._store]
attributes:
  check_mode:
    support: partial
    details: Only O(phase=prepare) and O(phase=fail) run, and change nothing.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Each backup is a new one.
options:
  phase:
    description:
      - V(prepare) checks passphrase, targets and store, and makes the directory. V(receive) adds O(content) to the snapshot. V(create) makes the backup
        and sends it. V(remove) removes what is left on the director. V(fail) records O(problem), which M(cfcr.kubernetes.health_report) shows.
    type: str
    choices: [prepare, receive, create, remove, fail]
    required: true
  cluster:
    description: Name of the cluster, with which the names of its backups begin.
    type: str
  directory:
    description: Directory of the director for the time of the backup. The module creates it with mode 0700.
    type: path
  id:
    description: Name of the backup, as O(phase=prepare) returns it.
    type: str
  passphrase:
    description: Encrypts the backup, 12 characters or more. It is not that of the store, and nothing decrypts the backup without it.
    type: str
  keep:
    description: Which backups each target keeps. A backup is kept if any of the three says so.
    type: dict
    suboptions:
      last:
        description: How many of the newest, 1 or more.
        type: int
        default: 7
      daily:
        description: The newest of each of this many days (UTC) that have one.
        type: int
        default: 14
      weekly:
        description: Number of weeks of which each target keeps the newest.
        type: int
        default: 8
  store_digest:
    description: What O(phase=prepare) returned. With other CAs or credentials in the store by then, O(phase=create) fails.
    type: str
  snapshot:
    description: RV(cfcr.kubernetes.etcd_snapshot#module:snapshot) of M(cfcr.kubernetes.etcd_snapshot).
    type: dict
  about:
    description: Further values for the manifest, without secrets.
    type: dict
    default: {}
  offset:
    description: Bytes of the snapshot before O(content) is added.
    type: int
    default: 0
  content:
    description: A piece of the snapshot, compressed with zlib, in base64.
    type: str
  problem:
    description: Why a backup failed.
    type: str
    default: ""
seealso:
  - module: cfcr.kubernetes.etcd_snapshot
"""

EXAMPLES = r"""
- name: Check what the backup needs
  cfcr.kubernetes.cluster_backup:
    store: "{{ cluster_store }}"
    phase: prepare
    cluster: prod
    directory: /var/lib/cfcr-backup/prod
    passphrase: "{{ backup_passphrase }}"
    targets:
      - {type: directory, path: /var/backups/cfcr}
  delegate_to: "{{ cluster_director }}"
  register: prepared
"""

RETURN = r"""
id:
  description: Name of the backup.
  type: str
  returned: if O(phase=prepare) or O(phase=create)
  sample: prod-20261129T221500Z.cfcr
store_digest:
  description: A hash of the CAs and credentials in the store.
  type: str
  returned: if O(phase=prepare)
problems:
  description: Why some of the targets cannot be used.
  type: list
  elements: str
  returned: if O(phase=prepare)
size:
  description: Bytes of the snapshot so far, or of the backup.
  type: int
  returned: if O(phase=receive) or O(phase=create)
manifest:
  description: What is in the backup, without secrets.
  type: dict
  returned: if O(phase=create)
targets:
  description: By target, the newest backup, and what was removed, is locked, or failed.
  type: dict
  returned: if O(phase=create)
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._backup.backup import REQUIRED_IF, SPEC, operate
from ..module_utils._errors import HostError
from ..module_utils._store.options import open_store


def main() -> None:
    """Do one step of a backup."""
    module = AnsibleModule(argument_spec=SPEC, required_if=REQUIRED_IF, supports_check_mode=True)
    try:
        module.exit_json(**operate(open_store(module.params), module.params, module.check_mode))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

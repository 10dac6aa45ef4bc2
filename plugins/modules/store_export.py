#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the credential store to an encrypted file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: store_export
short_description: Write the credential store to an encrypted file
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Writes all records of the store, with all kept versions, to one file, encrypted with AES-256-GCM and a key that scrypt derives from
    O(passphrase). M(cfcr.kubernetes.store_import) imports it into a store of any backend and any passphrase. Runs on the director.
  - A file with the same content is not changed. A file that O(passphrase) does not decrypt is an error unless O(force) is set. An empty store
    is an error.
extends_documentation_fragment: [cfcr.kubernetes._attributes, cfcr.kubernetes._store]
options:
  path:
    description: The file, of mode 0600. Its directory must exist.
    type: path
    required: true
  passphrase:
    description: Encrypts the file, 12 characters or more. The store does not hold it, and nothing decrypts the file without it.
    type: str
    required: true
  force:
    description: Whether to replace a file that O(passphrase) does not decrypt.
    type: bool
    default: false
seealso:
  - module: cfcr.kubernetes.store_import
"""

EXAMPLES = r"""
- name: Back up the store
  cfcr.kubernetes.store_export:
    store: "{{ cluster_store }}"
    path: /var/backups/cfcr.store
    passphrase: "{{ backup_passphrase }}"
  delegate_to: "{{ cluster_director }}"
"""

RETURN = r"""
records:
  description: The names of the records in the file.
  type: list
  elements: str
  returned: success
  sample: [authorities/etcd, credentials/etcd-root]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._errors import HostError
from ..module_utils._result import finish
from ..module_utils._store.backup import BACKUP, Records, export_records, read_backup, versions_of, write_backup
from ..module_utils._store.encryption import check_passphrase
from ..module_utils._store.options import STORE, open_store


def existing(path: str, passphrase: str, force: bool) -> Records | None:
    """Return the records in the file, None if there are none or force is set."""
    try:
        return read_backup(path, passphrase)
    except HostError as error:
        if force:
            return None
        raise HostError(f"{error}; set force to replace it") from error


def changed(before: Records, records: Records) -> dict[str, t.Any]:
    """Return the records for a diff, which differs wherever a record does."""
    told = versions_of(records)
    for name, there in versions_of(before).items():
        if there == told.get(name) and before[name] != records[name]:
            told[name]["newest"] += " (another value)"
    return told


def main() -> None:
    """Write the file if it differs from the store."""
    module = AnsibleModule(argument_spec={**STORE, **BACKUP, "force": {"type": "bool", "default": False}}, supports_check_mode=True)
    path, passphrase = module.params["path"], module.params["passphrase"]
    try:
        check_passphrase(passphrase)
        store = open_store(module.params)
        records = export_records(store)
        if not records:
            raise HostError(f"the store {store} is empty, nothing to back up; the file is unchanged")
        before = existing(path, passphrase, module.params["force"]) or {}
        finish(module, versions_of(before), changed(before, records), lambda: write_backup(path, records, passphrase), records=list(records))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the credential store into an encrypted file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: store_export
short_description: Write the credential store into an encrypted file
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Keeps a file that holds all records of the store with all versions that are kept, encrypted by AES-256-GCM under a key that scrypt derives from
    O(passphrase). M(cfcr.kubernetes.store_import) reads it, into a store of any backend and with any passphrase of its own. Runs on the director.
  - A file that holds the same already is left as it is. One that does not open with O(passphrase) is not replaced unless O(force) is set.
extends_documentation_fragment: [cfcr.kubernetes._attributes, cfcr.kubernetes._store]
options:
  path:
    description: The file, of mode 0600; its directory must be there.
    type: path
    required: true
  passphrase:
    description: Opens the file, 12 characters at least. It is not in the store, and nothing opens the file without it.
    type: str
    required: true
  force:
    description: Whether to replace a file that does not open with O(passphrase).
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
from ..module_utils._store.backup import BACKUP, Records, check_passphrase, export_records, read_backup, versions_of, write_backup
from ..module_utils._store.options import STORE, open_store


def existing(path: str, passphrase: str, force: bool) -> Records | None:
    """Return what is in the file."""
    try:
        return read_backup(path, passphrase)
    except HostError as error:
        if force:
            return None
        raise HostError(f"{error}. It is not replaced unless that is asked for by force") from error


def changed(before: Records, records: Records) -> dict[str, t.Any]:
    """Return what a diff shows of the records, which is never the same where a record is not."""
    told = versions_of(records)
    for name, there in versions_of(before).items():
        if there == told.get(name) and before[name] != records[name]:
            told[name]["newest"] += " (another one)"
    return told


def main() -> None:
    """Compare the file with the store."""
    module = AnsibleModule(argument_spec={**STORE, **BACKUP, "force": {"type": "bool", "default": False}}, supports_check_mode=True)
    path, passphrase = module.params["path"], module.params["passphrase"]
    try:
        check_passphrase(passphrase)
        records = export_records(open_store(module.params))
        if not records:
            raise HostError("the store is empty: there is nothing to back up, and what was backed up before is left as it is")
        before = existing(path, passphrase, module.params["force"]) or {}
        finish(module, versions_of(before), changed(before, records), lambda: write_backup(path, records, passphrase), records=list(records))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

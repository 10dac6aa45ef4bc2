#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Import the file that module store_export wrote."""

from __future__ import annotations

DOCUMENTATION = r"""
module: store_import
short_description: Restore the credential store from an encrypted file
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Adds the records and versions of a file of M(cfcr.kubernetes.store_export) that the store does not have. The whole file is read and verified
    before anything is written. An interrupted import continues when it is run again. Runs on the director.
  - A store with records or versions that are not in the file is an error unless O(force) is set. Nothing is removed from the store; with
    O(force) the former versions of a record stay as earlier versions.
extends_documentation_fragment: [cfcr.kubernetes._attributes, cfcr.kubernetes._store]
options:
  path:
    description: The file. A missing or damaged file is an error.
    type: path
    required: true
  passphrase:
    description: Decrypts the file.
    type: str
    required: true
  records:
    description: Import only these records, such as V(credentials/etcd-root), whatever else the store holds. Default is all of the file.
    type: list
    elements: str
    default: []
  force:
    description: Whether to import into a store with records or versions that are not in the file.
    type: bool
    default: false
seealso:
  - module: cfcr.kubernetes.store_export
"""

EXAMPLES = r"""
- name: Restore the store
  cfcr.kubernetes.store_import:
    store: "{{ cluster_store }}"
    path: /var/backups/cfcr.store
    passphrase: "{{ backup_passphrase }}"
  delegate_to: "{{ cluster_director }}"

- name: Restore a record whose damaged file was removed
  cfcr.kubernetes.store_import:
    store: "{{ cluster_store }}"
    path: /var/backups/cfcr.store
    passphrase: "{{ backup_passphrase }}"
    records: [credentials/etcd-root]
  delegate_to: "{{ cluster_director }}"
"""

RETURN = r"""
records:
  description: The names of the records with new versions. In check mode, as it would be.
  type: list
  elements: str
  returned: success
  sample: [authorities/etcd, credentials/etcd-root]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._errors import HostError
from ..module_utils._result import finish
from ..module_utils._store.backup import BACKUP, Records, export_records, import_plan, import_records, read_backup, versions_of
from ..module_utils._store.options import STORE, open_store


def chosen(path: str, passphrase: str, names: list[str]) -> Records:
    """Return the records of the file, or those with these names."""
    records = read_backup(path, passphrase)
    if records is None:
        raise HostError(f"{path}: no such file")
    missing = sorted(set(names) - set(records))
    if missing:
        raise HostError(f"{path}: has no {', '.join(missing)}; found {', '.join(records)}")
    return {name: records[name] for name in names} if names else records


def main() -> None:
    """Add the records and versions that the store does not have."""
    own = {"records": {"type": "list", "elements": "str", "default": []}, "force": {"type": "bool", "default": False}}
    module = AnsibleModule(argument_spec={**STORE, **BACKUP, **own}, supports_check_mode=True)
    options = module.params
    try:
        records = chosen(options["path"], options["passphrase"], options["records"])
        store = open_store(options)
        plan = import_plan(store, records, options["force"], all_of_them=not options["records"])
        before = versions_of(export_records(store, plan))
        there = {name: state["versions"] for name, state in before.items()}
        after = {name: {"versions": there.get(name, 0) + added["versions"], "newest": added["newest"]} for name, added in versions_of(plan).items()}
        finish(module, before, after, lambda: import_records(store, plan), records=list(plan))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

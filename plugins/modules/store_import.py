#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring back what module store_export wrote."""

from __future__ import annotations

DOCUMENTATION = r"""
module: store_import
short_description: Bring the credential store back from an encrypted file
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Adds to the store what the file of M(cfcr.kubernetes.store_export) has and the store has not, with all versions. The whole file is read and
    verified before anything is written. An import that was interrupted goes on when it is run again. Runs on the director.
  - A store that has something that is not in the file is refused unless O(force) is set. Nothing is ever removed from the store; what is the
    newest version of a record by force has what was there before as an earlier version.
extends_documentation_fragment: [cfcr.kubernetes._attributes, cfcr.kubernetes._store]
options:
  path:
    description: The file.
    type: path
    required: true
  passphrase:
    description: Opens the file.
    type: str
    required: true
  records:
    description: Only these records, such as V(credentials/etcd-root), whatever else the store holds; all of the file where none is given.
    type: list
    elements: str
    default: []
  force:
    description: Whether to import into a store that has something that is not in the file.
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

- name: Restore a record whose file was damaged, and then removed
  cfcr.kubernetes.store_import:
    store: "{{ cluster_store }}"
    path: /var/backups/cfcr.store
    passphrase: "{{ backup_passphrase }}"
    records: [credentials/etcd-root]
  delegate_to: "{{ cluster_director }}"
"""

RETURN = r"""
records:
  description: The names of the records that got something from the file, or would.
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
    """Return the records of the file that are asked for."""
    records = read_backup(path, passphrase)
    if records is None:
        raise HostError(f"{path}: there is no such file")
    missing = sorted(set(names) - set(records))
    if missing:
        raise HostError(f"{path}: has no {', '.join(missing)}; it has {', '.join(records)}")
    return {name: records[name] for name in names} if names else records


def main() -> None:
    """Read all of the file, look at the store, add what is missing."""
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

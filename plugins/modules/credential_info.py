#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""List the records of the credential store, without their values."""

from __future__ import annotations

DOCUMENTATION = r"""
module: credential_info
short_description: List the records of the credential store
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns names, types, versions, ages and expiry of CAs and credentials, but no values apart from the indices of hosts and the versions of components.
  - Needs no passphrase. Runs on the director.
extends_documentation_fragment: [cfcr.kubernetes._attributes.info, cfcr.kubernetes._store]
options:
  expires_within_days:
    description: Return only records whose certificate expires within this many days, or has expired. Default is all records.
    type: int
  rotating:
    description: Whether to return only records that are being rotated. This reads the histories of those only.
    type: bool
    default: false
seealso:
  - module: cfcr.kubernetes.certificate_authority
  - module: cfcr.kubernetes.credential
"""

EXAMPLES = r"""
- name: List certificates that expire soon
  cfcr.kubernetes.credential_info:
    store: "{{ cluster_store }}"
    expires_within_days: 90
  delegate_to: "{{ cluster_director }}"
  register: expiring
"""

RETURN = r"""
store:
  description: Location of the store.
  type: str
  returned: success
  sample: /var/lib/cfcr/cfcr
hosts:
  description: The hosts of the cluster, each with its C(group) and its C(index) in it.
  type: dict
  returned: success
  sample: {etcd-a: {group: etcd, index: 0}}
removals:
  description: The hosts that leave or have left, as M(cfcr.kubernetes.host_removals) records them.
  type: dict
  returned: success
  sample: {worker-3: {group: worker, address: 10.0.0.24, state: removed, since: "2026-11-29T18:04:00Z"}}
unfinished_update:
  description:
    - How far an update is that is not finished, else an empty mapping. C(phase) is that of the next host, C(done) the number of C(changes) that are done,
      C(waiting) has the hosts that are left.
  returned: success
  type: dict
  sample: {id: update-1.36.3-0a1b2c3d, phase: workers, done: 7, changes: 9, waiting: [worker-1, worker-2], paused: false, failed: {}, blocked: {}}
backup:
  description:
    - What playbook C(backup) has recorded, else an empty mapping. C(newest) is the newest verified backup, C(age_hours) its age,
      C(attempted_at) the last attempt with its C(problem), and C(targets) has the newest backup and the problem of each target.
  returned: success
  type: dict
  sample:
    newest: {id: prod-20261129T010003Z.cfcr, created_at: "2026-11-29T01:00:03Z", size: 101076006, revision: 42188}
    age_hours: 22.2
    attempted_at: "2026-11-29T01:00:58Z"
    problem: ""
    targets: {"directory /mnt/backups/prod": {newest: prod-20261129T010003Z.cfcr, problem: ""}}
restore:
  description: A restore that has not finished - the backup, the phase, and the time when the phase began. Else an empty mapping.
  returned: success
  type: dict
  sample: {id: prod-20261129T010003Z.cfcr, phase: begun, at: "2026-11-30T07:12:40Z"}
versions:
  description: The versions of the cluster's components, by project. It is empty if the store has no record of them.
  type: dict
  returned: success
  sample: {catalog: "1.36", kubernetes: 1.36.3, etcd: 3.6.16}
credentials:
  description: The CAs, then the credentials, each sorted by name.
  type: list
  elements: dict
  returned: success
  contains:
    kind:
      description: V(authority) or V(credential).
      type: str
    name:
      description: Name.
      type: str
    type:
      description: Type, as in M(cfcr.kubernetes.credential); for a CA, V(certificate).
      type: str
    version:
      description: Number of the newest version.
      type: int
    rotation:
      description: The phase of its rotation, see M(cfcr.kubernetes.credential_rotation); null if it is not being rotated.
      type: str
    created_at:
      description:
        - When the newest version was written, in UTC; null if its record has no time. During a rotation, the start of the phase or, if the phase
          lasts, the time when all hosts had completed it.
      type: str
      sample: "2026-11-21T09:00:00Z"
    age_days:
      description: Whole days since RV(credentials[].created_at).
      type: int
    not_after:
      description: When the certificate expires, in UTC; for a CA, the signing one; null if there is none.
      type: str
      sample: "2027-11-21T09:00:00Z"
    days_left:
      description: Whole days until RV(credentials[].not_after), negative if it has expired.
      type: int
    certificates:
      description: The certificates. A CA that is being rotated has two.
      type: list
      elements: dict
      contains:
        subject:
          description: Subject.
          type: str
          sample: CN=cfcr etcd
        issuer:
          description: Issuer.
          type: str
          sample: CN=cfcr etcd
        key:
          description: Type and fingerprint of the public key.
          type: str
        not_before:
          description: Start of its validity, in UTC.
          type: str
        not_after:
          description: End of its validity, in UTC.
          type: str
    versions:
      description: The kept versions, oldest first, each with C(version) and C(created_at).
      type: list
      elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._credentials.info import SPEC, store_info
from ..module_utils._errors import HostError
from ..module_utils._store.options import open_store


def main() -> None:
    """Return the records without their values."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        module.exit_json(**store_info(open_store(module.params), module.params))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

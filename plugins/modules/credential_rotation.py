#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotate CAs, keys and passwords of the credential store, phase by phase."""

from __future__ import annotations

DOCUMENTATION = r"""
module: credential_rotation
short_description: Rotate CAs, keys and passwords of the credential store, phase by phase
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Adds a new CA, key or password to a record, and advances the record from phase to phase. Between two phases all hosts must read the store and
    apply it; playbook C(rotate) takes care of that. Runs on the director.
  - In phase V(trust) hosts accept both, and the old one is in use. In phase V(use) the new one is in use, and hosts still accept the old one.
    In phase V(drop) only the new one is left, and the rotation finishes when all hosts have it. A password, which only etcd verifies, starts
    with V(use).
  - CAs, and credentials of type V(key), V(rsa) and V(password), can be rotated. Certificates are reissued instead, see
    M(cfcr.kubernetes.certificate).
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
  - cfcr.kubernetes._attributes.action
  - cfcr.kubernetes._credentials.authorities
  - cfcr.kubernetes._credentials.credentials
  - cfcr.kubernetes._store
attributes:
  idempotent:
    support: partial
    details: With O(state=advanced) each run advances by one phase, until the rotation is finished.
options:
  state:
    description:
      - V(begun) starts the rotation of all records that are named. If some of them are being rotated already, these stay in their phase, and the
        others do not start. V(advanced) advances rotations by one phase. V(query) only reads the phases.
      - V(withdrawn) withdraws a rotation in phase V(trust), which goes to phase V(drop) with the old one only. In phase V(use) it is an error.
    type: str
    required: true
    choices: [query, begun, advanced, withdrawn]
  until:
    description: Do not advance beyond this phase.
    type: str
    choices: [trust, use, drop]
    default: drop
  minutes_in_phase:
    description:
      - Minimum minutes in a phase, by name and phase. They count from the first run with O(state=advanced) in that phase, since only then have all
        hosts completed it. Default is 0.
    type: dict
    default: {}
  authorities:
    description: The CAs to replace, as M(cfcr.kubernetes.certificate_authority) takes them.
    default: []
  credentials:
    description: The credentials to replace, as M(cfcr.kubernetes.credential) takes them. Only the options of their type matter.
    default: []
seealso:
  - module: cfcr.kubernetes.certificate_authority
  - module: cfcr.kubernetes.credential
"""

EXAMPLES = r"""
- name: Start the rotation of a CA, which hosts trust in addition to the old one
  cfcr.kubernetes.credential_rotation:
    store: "{{ cluster_store }}"
    state: begun
    authorities:
      - {name: etcd, common_name: cfcr etcd}

- name: Sign with the new CA once all hosts have trusted it for 15 minutes
  cfcr.kubernetes.credential_rotation:
    store: "{{ cluster_store }}"
    state: advanced
    minutes_in_phase:
      etcd: {trust: 15}
    authorities:
      - {name: etcd, common_name: cfcr etcd}
"""

RETURN = r"""
rotations:
  description: The CAs, then the credentials.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: Name in the store.
      type: str
    kind:
      description: V(authority) or V(credential).
      type: str
    before:
      description: The phase before; empty if there was no rotation.
      type: str
    phase:
      description: The phase now; empty if the rotation is finished.
      type: str
    since:
      description:
        - When all hosts had completed the phase, in UTC; empty if the phase has just started, or lasts no longer than that.
      type: str
      sample: "2026-11-21T09:00:00Z"
    waits:
      description: Why it does not start or stays in its phase; empty if it does neither, and with O(state=query).
      type: str
      sample: it stays for another 15 minutes, until 2026-11-21T09:15:00Z
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._credentials.rotation import SPEC, rotate
from ..module_utils._errors import HostError
from ..module_utils._store.options import open_store


def main() -> None:
    """Start, advance or withdraw rotations."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        module.exit_json(**rotate(open_store(module.params), module.params, module.check_mode))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replace authorities, keys and passwords of the credential store, phase by phase."""

from __future__ import annotations

DOCUMENTATION = r"""
module: credential_rotation
short_description: Replace authorities, keys and passwords of the credential store, phase by phase
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Makes a new one beside the one that is there, and lets the record go from one phase to the next. What is in the store is only half of a
    rotation. Between two phases everything that reads the store must have done so; playbook C(rotate) sees to that. Runs on the director.
  - In phase V(trust) the new one is known beside the old one, which is in use. In phase V(use) the new one is in use and the old one
    accepted. In phase V(drop) there is only the new one, which ends the rotation when everybody knows it. A password, which only etcd
    verifies, begins with V(use).
  - Authorities, and credentials of type V(key), V(rsa) and V(password), are replaced so. Certificates are issued again, see
    M(cfcr.kubernetes.certificate).
extends_documentation_fragment:
  - cfcr.kubernetes._attributes.action
  - cfcr.kubernetes._credentials.authorities
  - cfcr.kubernetes._credentials.credentials
  - cfcr.kubernetes._store
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Returns details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: partial
    details: With O(state=advanced) each run goes on by one phase, until the rotation is over.
options:
  state:
    description:
      - V(begun) begins the rotation of all that is named, where none of it is in one; else what is in one stays in its phase, and the rest does
        not begin beside it. V(advanced) lets what is in a rotation go on by one phase. V(query) only looks.
      - V(withdrawn) takes back what is in phase V(trust), which goes to phase V(drop) with the old one alone, and is refused in phase V(use).
    type: str
    required: true
    choices: [query, begun, advanced, withdrawn]
  until:
    description: The phase that is not left.
    type: str
    choices: [trust, use, drop]
    default: drop
  minutes_in_phase:
    description:
      - By name and by phase, for how many minutes it stays there at least. They begin when O(state=advanced) first finds it in the phase, since only
        then everybody has done what the phase asks for.
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
- name: Have a new authority trusted beside the old one
  cfcr.kubernetes.credential_rotation:
    store: "{{ cluster_store }}"
    state: begun
    authorities:
      - {name: etcd, common_name: cfcr etcd}

- name: Sign with the new one, when everybody has trusted it for a quarter of an hour
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
  description: The authorities, then the credentials.
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
      description: The phase before, empty where there was no rotation.
      type: str
    phase:
      description: The phase now, empty where the rotation is over.
      type: str
    since:
      description:
        - When everybody had done what the phase asks for, as far as the store was told; empty where the phase has just begun, or is left at once.
      type: str
      sample: "2026-11-21T09:00:00Z"
    waits:
      description: Why it does not begin, or stays in its phase; empty where it does not, or nobody asked it to go on.
      type: str
      sample: it stays for 15 minutes more, until 2026-11-21T09:15:00Z
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._credentials.rotation import SPEC, rotate
from ..module_utils._errors import HostError
from ..module_utils._store.options import open_store


def main() -> None:
    """Begin, or go on."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        module.exit_json(**rotate(open_store(module.params), module.params, module.check_mode))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

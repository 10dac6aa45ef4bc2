#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""List what the credential store holds, without the values."""

from __future__ import annotations

DOCUMENTATION = r"""
module: credential_info
short_description: List what the credential store holds
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns names, types, versions, ages and ends of authorities and credentials, and never a value. Needs no passphrase. Runs on the director.
extends_documentation_fragment: [cfcr.kubernetes._attributes.info, cfcr.kubernetes._store]
options:
  expires_within_days:
    description: Returns only what has a certificate that ends within so many days, or has ended.
    type: int
  rotating:
    description: Whether to return only what is being replaced, as a look at the newest version of each tells; the histories of all others are not read.
    type: bool
    default: false
seealso:
  - module: cfcr.kubernetes.certificate_authority
  - module: cfcr.kubernetes.credential
"""

EXAMPLES = r"""
- name: List what ends soon
  cfcr.kubernetes.credential_info:
    store: "{{ cluster_store }}"
    expires_within_days: 90
  delegate_to: "{{ cluster_director }}"
  register: ending
"""

RETURN = r"""
store:
  description: Where the store is.
  type: str
  returned: success
  sample: /var/lib/cfcr/cfcr
credentials:
  description: The authorities, then the credentials, each by name.
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
      description: Type, as of M(cfcr.kubernetes.credential); of an authority V(certificate).
      type: str
    version:
      description: The newest version.
      type: int
    rotation:
      description: The phase of its replacement, see M(cfcr.kubernetes.credential_rotation); null where it is not being replaced.
      type: str
    created_at:
      description:
        - When the newest version was made; null where the store did not note that yet. While it is being replaced, that is when the phase began, or,
          where it lasts, when all hosts had come to it.
      type: str
      sample: "2026-11-21T09:00:00Z"
    age_days:
      description: Whole days since then.
      type: int
    not_after:
      description: When the certificate ends, of an authority the one that it signs with; null where there is none.
      type: str
      sample: "2027-11-21T09:00:00Z"
    days_left:
      description: Whole days until then.
      type: int
    certificates:
      description: The certificates; an authority that is being replaced has two.
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
          description: When it begins.
          type: str
        not_after:
          description: When it ends.
          type: str
    versions:
      description: The versions that are kept, the oldest first, each with C(version) and C(created_at).
      type: list
      elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._credentials.info import SPEC, store_info
from ..module_utils._errors import HostError
from ..module_utils._store.options import open_store


def main() -> None:
    """Read everything, tell nothing that is secret."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        module.exit_json(**store_info(open_store(module.params), module.params))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

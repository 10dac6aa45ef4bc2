#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The half of action certificate that runs on the director."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_sign
short_description: Plan and sign the certificates of a host
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - A part of M(cfcr.kubernetes.certificate), which runs it on the director where that is not the controller itself. It is not meant to be
    used by itself.
  - It changes nothing; the signed certificates are in its result.
extends_documentation_fragment: [cfcr.kubernetes._attributes.info, cfcr.kubernetes._store]
options:
  certificates:
    description: >-
      For each certificate C(path), C(authority), C(common_name), C(organizations), C(alternative_names) and C(usages) as wanted,
      C(public_key) and C(certificate) as the host has them.
    type: list
    elements: dict
    required: true
  bundles:
    description: For each bundle of authorities C(path) and C(authority) as wanted, C(content) as the host has it.
    type: list
    elements: dict
    required: true
  days:
    description: Lifetime of new certificates.
    type: int
    required: true
  renew_before_days:
    description: A certificate that has fewer days left is renewed.
    type: int
    required: true
  key_type:
    description: The only type of public keys that is signed.
    type: str
    required: true
    choices: [ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096]
"""

EXAMPLES = r"""
- name: Sign a certificate
  cfcr.kubernetes.certificate_sign:
    store:
      directory: /var/lib/cfcr/cfcr
    certificates:
      - path: /etc/etcd/pki/server
        authority: etcd
        common_name: ""
        organizations: []
        alternative_names: [10.0.0.1]
        usages: [server_auth]
        public_key: "{{ public_key }}"
        certificate: null
    bundles: []
    days: 365
    renew_before_days: 60
    key_type: ecdsa-p256
"""

RETURN = r"""
certificates:
  description: For each certificate C(path), C(certificate) (null where it may stay), C(reasons), and what it says C(before) and C(after).
  type: list
  elements: dict
  returned: success
bundles:
  description: For each bundle C(path), C(content) (null where it may stay), C(changed), and the authorities C(before) and C(after).
  type: list
  elements: dict
  returned: success
remarks:
  description: What the controller shows as warnings.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._credentials.signing import Terms, issue
from ..module_utils._errors import HostError
from ..module_utils._pki.keys import KEY_TYPES
from ..module_utils._store.options import STORE, open_store


def main() -> None:
    """Answer what the controller asks for a host."""
    module = AnsibleModule(
        argument_spec={
            **STORE,
            "certificates": {"type": "list", "elements": "dict", "required": True},
            "bundles": {"type": "list", "elements": "dict", "required": True},
            "days": {"type": "int", "required": True},
            "renew_before_days": {"type": "int", "required": True},
            "key_type": {"type": "str", "required": True, "choices": list(KEY_TYPES), "no_log": False},
        },
        supports_check_mode=True,
    )
    options = module.params
    try:
        terms = Terms(options["days"], options["renew_before_days"], options["key_type"], module.check_mode)
        module.exit_json(changed=False, **issue(open_store(options), options["certificates"], options["bundles"], terms))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

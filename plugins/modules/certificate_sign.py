#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The director's part of action certificate."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_sign
short_description: Plan and sign the certificates of a host
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - The director's part of M(cfcr.kubernetes.certificate), which runs it if the director is not the controller. It is not meant to be used
    directly.
  - It changes nothing; the signed certificates are in its result.
extends_documentation_fragment:
  - cfcr.kubernetes._attributes.info
  - cfcr.kubernetes._certificates
  - cfcr.kubernetes._certificates.terms
  - cfcr.kubernetes._store
options:
  certificates:
    description: The certificates as the controller wants them. Names, usages and lifetimes come from here only.
    required: true
  actual:
    description: The certificates and CA bundles as the host has them. An entry that is missing here is an error.
    type: dict
    required: true
    suboptions:
      certificates:
        description: An entry for each of O(certificates).
        type: list
        elements: dict
        required: true
        suboptions:
          path:
            description: Absolute path without suffix.
            type: path
            required: true
          public_key:
            description: Public key, base64 of DER. One of another type than O(key_type) is an error.
            type: str
          certificate:
            description: The certificate in PEM; null if there is none.
            type: str
      bundles:
        description: An entry for each path in O(certificates[].authority_path).
        type: list
        elements: dict
        required: true
        suboptions:
          path:
            description: Absolute path.
            type: path
            required: true
          content:
            description: The bundle in PEM; null if there is none.
            type: str
"""

EXAMPLES = r"""
- name: Sign a certificate
  cfcr.kubernetes.certificate_sign:
    store:
      directory: /var/lib/cfcr/cfcr
    certificates:
      - path: /etc/etcd/pki/server
        authority: etcd
        alternative_names: [10.0.0.1]
        usages: [server_auth]
    actual:
      certificates:
        - path: /etc/etcd/pki/server
          public_key: "{{ public_key }}"
      bundles: []
"""

RETURN = r"""
certificates:
  description: The certificates, one entry for each of O(certificates).
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: Absolute path without suffix.
      type: str
      sample: /etc/etcd/pki/server
    certificate:
      description: The new certificate in PEM; null if the present one stays, and in check mode.
      type: str
    reasons:
      description: Why it was issued; empty if it was not.
      type: list
      elements: str
    before:
      description: The present certificate, as RV(cfcr.kubernetes.certificate#module:certificates) describes it; null if there is none.
      type: dict
    after:
      description: The certificate afterwards.
      type: dict
bundles:
  description: The CA bundles, one entry for each path in O(certificates[].authority_path).
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: Absolute path.
      type: str
      sample: /etc/etcd/pki/ca.crt
    content:
      description: The new bundle in PEM; null if the present one stays.
      type: str
    changed:
      description: Whether the bundle changes.
      type: bool
    before:
      description: The CAs in the present bundle.
      type: list
      elements: str
    after:
      description: The CAs in the bundle afterwards.
      type: list
      elements: str
remarks:
  description: Messages that the controller shows as warnings.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._credentials.signing import SPEC, TERMS, Terms, issue
from ..module_utils._errors import HostError
from ..module_utils._store.options import STORE, open_store


def main() -> None:
    """Plan and sign."""
    module = AnsibleModule(argument_spec={**STORE, **SPEC}, supports_check_mode=True)
    options = module.params
    try:
        terms = Terms(**{option: options[option] for option in TERMS}, check_mode=module.check_mode)
        module.exit_json(changed=False, **issue(open_store(options), options["certificates"], options["actual"], terms))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

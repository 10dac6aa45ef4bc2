#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep generated credentials in the credential store."""

from __future__ import annotations

DOCUMENTATION = r"""
module: credential
short_description: Keep generated credentials in the credential store
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Makes the credentials that the store does not have yet, and returns the values of all. Runs on the director. Set C(no_log) on the
    task, for its result has the secrets.
  - Passwords, keys, RSA and SSH key pairs are made once and never changed, also when their options are others than those that they were
    made with; they are for new ones only. A name that the store has with another type is an error.
  - A certificate is issued again, with a new private key, when its names or usages are others than those asked for, when
    its authority signs with another key by now, when it was made before O(credentials[].since), or when it has fewer than
    O(credentials[].renew_before_days) days left.
  - Of two runs at once, one makes a credential and both return the same.
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
  - cfcr.kubernetes._attributes.action
  - cfcr.kubernetes._credentials.credentials
  - cfcr.kubernetes._store
options:
  credentials:
    required: true
seealso:
  - module: cfcr.kubernetes.certificate
  - module: cfcr.kubernetes.certificate_authority
  - module: cfcr.kubernetes.credential_info
"""

EXAMPLES = r"""
- name: Keep the credentials of the cluster
  cfcr.kubernetes.credential:
    store:
      directory: /var/lib/cfcr/cfcr
    credentials:
      - name: etcd-root
        type: password
      - name: service-account
        type: rsa
      - name: encryption-at-rest
        type: key
        bytes: 32
      - name: admin
        type: certificate
        authority: kubernetes
        common_name: admin
        organizations: [system:masters]
        kubeconfig:
          path: /var/lib/cfcr/cfcr/kubeconfig
          cluster: cfcr
          server: https://kubernetes.example.com:8443
  register: made
  no_log: true
"""

RETURN = r"""
credentials:
  description: The values by name. In check mode those of a credential that is still to be made are empty strings.
  type: dict
  returned: success
  contains:
    value:
      description: The value; empty where there is none.
      type: str
      returned: for type V(value)
    password:
      description: The password.
      type: str
      returned: for type V(password)
    key:
      description: The bytes in base64.
      type: str
      returned: for type V(key)
    private_key:
      description: The private key, PKCS#8 in PEM, of type V(ssh) as OpenSSH writes it.
      type: str
      returned: for types V(rsa), V(ssh) and V(certificate)
    public_key:
      description: The public key in PEM, of type V(ssh) as a line of C(authorized_keys).
      type: str
      returned: for types V(rsa) and V(ssh)
    certificate:
      description: The certificate in PEM.
      type: str
      returned: for type V(certificate)
    bundle:
      description: The certificates of the authority in PEM.
      type: str
      returned: for type V(certificate)
    number:
      description: How many there have been, this one included. What was never rotated has no number and is the first.
      type: int
      returned: for what has been rotated
    others:
      description: The values, with their number, of the other one that is accepted or known.
      type: list
      elements: dict
      returned: while a rotation goes on, see M(cfcr.kubernetes.credential_rotation)
    not_after:
      description: When the certificate ends.
      type: str
      returned: for type V(certificate)
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._credentials.credential_list import SPEC, keep_credentials
from ..module_utils._errors import HostError
from ..module_utils._store.options import open_store


def main() -> None:
    """Keep what is there and make the rest."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        module.exit_json(**keep_credentials(open_store(module.params), module.params, module.check_mode))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

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
extends_documentation_fragment: [cfcr.kubernetes._attributes, cfcr.kubernetes._attributes.action, cfcr.kubernetes._store]
options:
  credentials:
    description: The credentials to keep.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name in the store, a-z, 0-9 and inside of it C(.), C(_), C(-).
        type: str
        required: true
      type:
        description:
          - V(value) is what O(credentials[].value) says, kept in plain text; V(password) is of letters and digits, V(key) of random
            bytes in base64, V(rsa) a key pair in PEM, V(ssh) one in OpenSSH's formats, V(certificate) a key with a certificate of an
            authority of the store.
        type: str
        required: true
        choices: [value, password, key, rsa, ssh, certificate]
      value:
        description:
          - What a V(value) is from now on; an empty one only looks it up.
          - What a V(password), V(key), V(rsa) or V(ssh) is from now on, where somebody else made it. Of a key pair it is the private key.
        type: str
        default: ""
      version:
        description:
          - Makes it what it was in this version, which the store still has; M(cfcr.kubernetes.credential_info) lists them. Not for a
            certificate.
        type: int
      generate:
        description: Whether one that the store has not is made. If not, O(credentials[].value) must give it once.
        type: bool
        default: true
      length:
        description: Characters of a password, 12 at least.
        type: int
        default: 32
      exclude_lower:
        description: Whether a password is without lower case letters.
        type: bool
        default: false
      exclude_upper:
        description: Whether a password is without upper case letters.
        type: bool
        default: false
      exclude_number:
        description: Whether a password is without digits.
        type: bool
        default: false
      include_special:
        description: Whether a password has ASCII's punctuation characters, too.
        type: bool
        default: false
      bytes:
        description: Bytes of a key, 16 at least.
        type: int
        default: 32
      bits:
        description: Size of an RSA key.
        type: int
        choices: [2048, 3072, 4096]
        default: 2048
      comment:
        description: Comment of an SSH key.
        type: str
        default: ""
      authority:
        description: Authority that signs the certificate. Required for a certificate.
        type: str
      common_name:
        description: Common name of the certificate's subject.
        type: str
      organizations:
        description: Organizations of the certificate's subject. To Kubernetes they are groups.
        type: list
        elements: str
        default: []
      alternative_names:
        description: DNS names and IP addresses of the certificate.
        type: list
        elements: str
        default: []
      usages:
        description: What the certificate may be used for.
        type: list
        elements: str
        choices: [client_auth, server_auth]
        default: [client_auth]
      days:
        description: Lifetime of the certificate.
        type: int
        default: 365
      renew_before_days:
        description: A certificate that has fewer days left is renewed; less than O(credentials[].days).
        type: int
        default: 60
      since:
        description: A certificate that was made before this moment is issued again, such as V(2026-11-21T09:00:00Z).
        type: str
        default: ""
      key_type:
        description: Type of the private key of a certificate, V(ecdsa-p256) where it is not given, or of an SSH key, V(ed25519) where it is not given.
        type: str
        choices: [ed25519, ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096]
      kubeconfig:
        description:
          - A file of mode 0600 on the director that gives the certificate to kubectl, written again whenever it has another content.
            Only for a certificate.
        type: dict
        suboptions:
          path:
            description: The file; its directory is made where it is missing.
            type: path
            required: true
          cluster:
            description: Name of the cluster, of the user and of the context.
            type: str
            required: true
          server:
            description: URL of the API.
            type: str
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

#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Create and renew credentials in the credential store."""

from __future__ import annotations

DOCUMENTATION = r"""
module: credential
short_description: Create and renew credentials in the credential store
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Creates the credentials that the store does not have yet, and returns the values of all. Runs on the director. Set C(no_log) on the task,
    since its result holds the secrets.
  - Passwords, keys, RSA and SSH key pairs are generated once and not changed, even if their options differ; these apply to new ones only.
    A name that the store has with another type is an error.
  - A certificate is reissued with a new private key if its names or usages differ from the options, if its CA signs with another key now, if
    it was created before O(credentials[].since), or if it has fewer than O(credentials[].renew_before_days) days left.
  - A certificate with a kubeconfig that leaves group C(system:masters) for C(cfcr:administrators), as that of version 0.9 does, first gets the binding
    to C(cluster-admin), if the API answers.
  - Of two runs at the same time, one creates a credential and both return it.
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
- name: Create the credentials of the cluster
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
        organizations: ["cfcr:administrators"]
        kubeconfig:
          path: /var/lib/cfcr/cfcr/kubeconfig
          cluster: cfcr
          server: https://kubernetes.example.com:8443
  register: cluster_credentials
  no_log: true
"""

RETURN = r"""
credentials:
  description: The values by name. In check mode, the values of a credential that is yet to be created are empty strings.
  type: dict
  returned: success
  contains:
    value:
      description: The value; empty if there is none.
      type: str
      returned: for types V(value) and V(token)
    hosts:
      description: The C(group) and C(index) of each host, also in check mode.
      type: dict
      returned: for type V(hosts)
      sample: {etcd-a: {group: etcd, index: 0}}
    now:
      description: The versions of the cluster's components, by project.
      type: dict
      returned: for type V(versions)
      sample: {catalog: "1.36", kubernetes: 1.36.3, etcd: 3.6.16}
    former:
      description: The versions before the last update, empty before the first one.
      type: dict
      returned: for type V(versions)
    password:
      description: The password.
      type: str
      returned: for type V(password)
    key:
      description: The bytes in base64.
      type: str
      returned: for type V(key)
    private_key:
      description: The private key, PKCS#8 in PEM; for type V(ssh), in OpenSSH's format.
      type: str
      returned: for types V(rsa), V(ssh) and V(certificate)
    public_key:
      description: The public key in PEM; for type V(ssh), a line of C(authorized_keys).
      type: str
      returned: for types V(rsa) and V(ssh)
    certificate:
      description: The certificate in PEM.
      type: str
      returned: for type V(certificate)
    bundle:
      description: The CA bundle, in PEM.
      type: str
      returned: for type V(certificate)
    generation:
      description: Generation of the value, which each rotation increases by 1. A credential that has never been rotated is generation 1.
      type: int
      returned: if the credential has ever been rotated
    others:
      description: The values and C(generation) of the other credential that hosts accept.
      type: list
      elements: dict
      returned: during a rotation, see M(cfcr.kubernetes.credential_rotation)
    not_after:
      description: When the certificate expires, in UTC.
      type: str
      returned: for type V(certificate)
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._credentials.credential_list import SPEC, keep_credentials
from ..module_utils._errors import HostError
from ..module_utils._kubernetes.administrators import hand_over
from ..module_utils._store.options import open_store


def main() -> None:
    """Create, replace and renew what is due, and return the values of all."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        module.exit_json(**keep_credentials(open_store(module.params), module.params, module.check_mode, hand_over))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

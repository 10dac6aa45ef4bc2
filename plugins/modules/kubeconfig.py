#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Issue the kubeconfig of a user."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeconfig
short_description: Issue the kubeconfig of a user
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Writes a kubeconfig with a new private key and a client certificate that the CA C(kubernetes) of the store signs. Runs on the director.
  - The file is the only place of the private key. The store gets a record of the certificate, which M(cfcr.kubernetes.kubeconfig_info) lists.
  - Nothing is issued while the file has a certificate of this user with the same groups, signed by the present CA, that has a third of O(days) or
    more left, and no more than O(days). If only the address of the API or the CA bundle has changed, the file gets the new one with the same
    certificate.
  - A file that this module did not write for this user is never replaced.
  - Kubernetes cannot revoke a certificate. Choose few O(days), and give permissions by bindings that can be removed.
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
  - cfcr.kubernetes._attributes.action
  - cfcr.kubernetes._store
options:
  user:
    description:
      - Name of the user, 1 to 64 printable characters. Kubernetes takes it from the common name of the certificate.
      - Names that begin with C(system:) or C(cfcr:), and those of the cluster's own certificates, are refused.
    type: str
    required: true
  groups:
    description: Groups of the user, each of 1 to 64 printable characters. Those that begin with C(system:) are refused, C(system:masters) among them.
    type: list
    elements: str
    default: []
  days:
    description: Lifetime of a new certificate, 1 to 365 days. It ends with its CA at the latest.
    type: int
    default: 30
  path:
    description: The file, absolute, of mode 0600. Its directory is created with mode 0700 if it is missing.
    type: path
    required: true
  cluster:
    description: Name of the cluster, of the user's entry and of the context in the file.
    type: str
    required: true
  server:
    description: URL of the API server.
    type: str
    required: true
  key_type:
    description: Type of a new private key.
    type: str
    choices: [ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096]
    default: ecdsa-p256
seealso:
  - module: cfcr.kubernetes.kubeconfig_info
  - module: cfcr.kubernetes.credential
"""

EXAMPLES = r"""
- name: Issue the kubeconfig of alice
  cfcr.kubernetes.kubeconfig:
    store: "{{ cluster_store }}"
    user: alice
    groups: [developers]
    days: 14
    path: /root/kubeconfigs/alice
    cluster: "{{ cluster_name }}"
    server: "{{ cluster_public_api }}"
  delegate_to: "{{ cluster_director }}"
"""

RETURN = r"""
kubeconfig:
  description: The certificate of the file, without its key.
  type: dict
  returned: success
  contains:
    user:
      description: Name of the user.
      type: str
    groups:
      description: Groups of the user, sorted.
      type: list
      elements: str
    path:
      description: The file.
      type: str
    reasons:
      description: Why a certificate was issued; empty if none was.
      type: list
      elements: str
      sample: [there is no file]
    serial:
      description: Serial number in hexadecimal digits; empty in check mode if the certificate is yet to be issued.
      type: str
    issued_at:
      description: When it was issued, in UTC; empty in check mode if it is yet to be issued.
      type: str
      sample: "2026-11-29T09:00:00Z"
    not_after:
      description: When it expires, in UTC.
      type: str
      sample: "2026-12-29T09:00:00Z"
    authority:
      description: SHA-256 of the certificate of the CA that signed it.
      type: str
      returned: unless it is yet to be issued
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._credentials.user_kubeconfigs import SPEC, issue
from ..module_utils._errors import HostError
from ..module_utils._store.options import open_store


def main() -> None:
    """Write the kubeconfig of a user."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        module.exit_json(**issue(open_store(module.params), module.params, module.check_mode))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

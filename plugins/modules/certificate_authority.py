#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Create certificate authorities in the credential store."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_authority
short_description: Create certificate authorities in the credential store
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Creates the CAs that the store does not have yet, and returns the certificates of all. Runs on the director.
  - An existing CA is never changed, even if its options differ; they apply to new CAs only. Of two runs at the same time, one creates the CA
    and both return it.
  - The private keys never leave the store.
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
  - cfcr.kubernetes._attributes.action
  - cfcr.kubernetes._credentials.authorities
  - cfcr.kubernetes._store
options:
  authorities:
    required: true
seealso:
  - module: cfcr.kubernetes.certificate
  - module: cfcr.kubernetes.credential
"""

EXAMPLES = r"""
- name: Create the certificate authorities
  cfcr.kubernetes.certificate_authority:
    store:
      directory: /var/lib/cfcr/cfcr
    authorities:
      - name: kubernetes
        common_name: cfcr kubernetes
      - name: etcd
        common_name: cfcr etcd
"""

RETURN = r"""
authorities:
  description: The CAs by name.
  type: dict
  returned: success
  contains:
    certificate:
      description: The certificate of the signing key, in PEM. In check mode, empty if the CA is yet to be created.
      type: str
    bundle:
      description: The CA bundle, in PEM. It has two certificates during a rotation.
      type: str
    not_after:
      description: When RV(authorities.certificate) expires, in UTC.
      type: str
      sample: "2036-11-18T09:00:00Z"
    rotation:
      description: The phase of its rotation, see M(cfcr.kubernetes.credential_rotation); empty if it is not being rotated.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._credentials.authority_list import SPEC, keep_authorities
from ..module_utils._errors import HostError
from ..module_utils._store.options import open_store


def main() -> None:
    """Create the CAs that the store does not have, and return all."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        module.exit_json(**keep_authorities(open_store(module.params), module.params, module.check_mode))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

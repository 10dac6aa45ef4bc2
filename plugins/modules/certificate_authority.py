#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep certificate authorities in the credential store."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_authority
short_description: Keep certificate authorities in the credential store
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Makes the authorities that the store does not have yet, and returns the certificates of all. Runs on the director.
  - An authority that exists is never changed, also when its options are others than those that it was made with; they are for new
    ones only. Of two runs at once, one makes it and both return the same.
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
- name: Keep the authorities of the cluster
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
  description: What the store has, by name.
  type: dict
  returned: success
  contains:
    certificate:
      description: The certificate that new certificates are signed with, in PEM; empty in check mode for one that is still to be made.
      type: str
    bundle:
      description: All certificates that must be trusted; two while an authority is being replaced.
      type: str
    not_after:
      description: When RV(authorities.certificate) ends.
      type: str
      sample: "2036-11-18T09:00:00Z"
    rotation:
      description: The phase of its replacement, see M(cfcr.kubernetes.credential_rotation); empty where it is not being replaced.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._credentials.authority_list import SPEC, keep_authorities
from ..module_utils._errors import HostError
from ..module_utils._store.options import open_store


def main() -> None:
    """Keep what is there and make the rest."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        module.exit_json(**keep_authorities(open_store(module.params), module.params, module.check_mode))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""List the kubeconfigs that were issued to users."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeconfig_info
short_description: List the kubeconfigs that were issued to users
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns every certificate that M(cfcr.kubernetes.kubeconfig) has issued from this store, also those that have expired or whose file is gone.
    Needs no passphrase. Runs on the director.
extends_documentation_fragment: [cfcr.kubernetes._attributes.info, cfcr.kubernetes._store]
seealso:
  - module: cfcr.kubernetes.kubeconfig
  - plugin: cfcr.kubernetes.kubeconfig_table
    plugin_type: filter
"""

EXAMPLES = r"""
- name: List the kubeconfigs of users
  cfcr.kubernetes.kubeconfig_info:
    store: "{{ cluster_store }}"
  delegate_to: "{{ cluster_director }}"
  register: issued
"""

RETURN = r"""
kubeconfigs:
  description: The certificates, by user and expiry.
  type: list
  elements: dict
  returned: success
  contains:
    user:
      description: Name of the user.
      type: str
    groups:
      description: Groups of the user.
      type: list
      elements: str
    serial:
      description: Serial number in hexadecimal digits.
      type: str
    issued_at:
      description: When it was issued, in UTC.
      type: str
      sample: "2026-11-29T09:00:00Z"
    not_after:
      description: When it expires, in UTC.
      type: str
      sample: "2026-12-29T09:00:00Z"
    days_left:
      description: Whole days until RV(kubeconfigs[].not_after), negative if it has expired.
      type: int
    state:
      description:
        - V(valid), V(expired), V(untrusted) if its CA was replaced, so that the API refuses it, or V(rotating) if its CA is being replaced, so that it
          works until the rotation completes.
      type: str
    authority:
      description: SHA-256 of the certificate of the CA that signed it.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._credentials.user_kubeconfigs import issued
from ..module_utils._errors import HostError
from ..module_utils._store.options import STORE, open_store


def main() -> None:
    """Return what was issued."""
    module = AnsibleModule(argument_spec=STORE, supports_check_mode=True)
    try:
        module.exit_json(changed=False, kubeconfigs=issued(open_store(module.params)))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

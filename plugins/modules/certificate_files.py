#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host's part of action certificate."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_files
short_description: Read and write the keys and certificates of a host
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - The host's part of M(cfcr.kubernetes.certificate), which runs it. It is not meant to be used directly.
  - Needs C(openssl) on the host to generate keys.
extends_documentation_fragment: [cfcr.kubernetes._attributes, cfcr.kubernetes._certificates.files]
"""

EXAMPLES = r"""
- name: Read a certificate
  cfcr.kubernetes.certificate_files:
    phase: read
    certificates: [{path: /etc/etcd/pki/server, owner: etcd}]
    bundles: [{path: /etc/etcd/pki/ca.crt}]
    key_type: ecdsa-p256
"""

RETURN = r"""
certificates:
  description: The certificates on the host, one entry for each of O(certificates).
  type: list
  elements: dict
  returned: O(phase=read)
  contains:
    path:
      description: Absolute path without suffix.
      type: str
      sample: /etc/etcd/pki/server
    public_key:
      description: Public key, base64 of DER; null in check mode if a new key is due.
      type: str
    certificate:
      description: The content of the certificate file; null if there is none.
      type: str
bundles:
  description: The CA bundles on the host, one entry for each of O(bundles).
  type: list
  elements: dict
  returned: O(phase=read)
  contains:
    path:
      description: Absolute path.
      type: str
      sample: /etc/etcd/pki/ca.crt
    content:
      description: The content of the file; null if there is none.
      type: str
drift:
  description: Owner, group and mode C(before) and C(after) of the files where they differ from the wanted ones, by path.
  type: dict
  returned: O(phase=read)
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._errors import HostError
from ..module_utils._pki.files import SPEC, read, write


def main() -> None:
    """Read or write the files."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    options = module.params
    os.umask(0o022)  # directories of certificates are readable for all users, whatever the login shell sets
    try:
        if options["phase"] == "read":
            module.exit_json(changed=False, **read(options, module.check_mode))
        if not module.check_mode:
            write(options["certificates"], options["bundles"])
        module.exit_json(changed=True)
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

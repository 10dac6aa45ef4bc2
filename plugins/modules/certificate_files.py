#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The half of action certificate that runs on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_files
short_description: Read and write the keys and certificates of a host
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - A part of M(cfcr.kubernetes.certificate), which runs it on the host that has the keys. It is not meant to be used by itself.
  - Needs C(openssl) on the host to make keys.
extends_documentation_fragment: [cfcr.kubernetes._attributes]
options:
  phase:
    description:
      - V(read) returns public keys, certificates and bundles as they are, and makes the private keys that are missing or unreadable or
        not of O(key_type). A new key waits as C(<path>.key.new) until its certificate is written.
      - V(write) puts certificates, with their keys, and bundles in their places.
    type: str
    required: true
    choices: [read, write]
  certificates:
    description: For each certificate C(path) and C(owner); to be written, C(public_key) that it is for and C(certificate) in PEM or null.
    type: list
    elements: dict
    required: true
  bundles:
    description: For each bundle of authorities C(path); to be written, C(content) or null.
    type: list
    elements: dict
    required: true
  key_type:
    description: Type of the private keys.
    type: str
    required: true
    choices: [ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096]
  since:
    description: Private keys that were made before this moment, in seconds since the epoch, are made anew.
    type: float
    default: 0
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
  description: For each certificate C(path), C(public_key) (base64 of DER, null where there is none) and C(certificate).
  type: list
  elements: dict
  returned: O(phase=read)
bundles:
  description: For each bundle C(path) and C(content).
  type: list
  elements: dict
  returned: O(phase=read)
drift:
  description: By path, owner, group and mode C(before) and C(after), of files where they are not as they must be.
  type: dict
  returned: O(phase=read)
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._errors import HostError
from ..module_utils._pki.files import SPEC, read, write


def main() -> None:
    """Read, or write."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    options = module.params
    os.umask(0o022)  # directories of certificates are for everyone, whatever the login shell says
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

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of certificates, in every module that takes them."""

from __future__ import annotations

import textwrap


class ModuleDocFragment:
    """Documents CERTIFICATES and SPEC of module_utils/_pki/files.py, and TERMS of module_utils/_credentials/signing.py."""

    DOCUMENTATION = r"""
options:
  certificates:
    description: The certificates of the host.
    type: list
    elements: dict
    suboptions:
      path:
        description:
          - Absolute path without suffix. The private key is C(<path>.key), of mode 0600; the certificate is C(<path>.crt), of mode 0644.
        type: path
        required: true
      authority:
        description: Name of the CA in the store that signs the certificate. A name that the store does not have is an error.
        type: str
        required: true
      authority_path:
        description: File for the bundle of the CA. Several entries of one CA can share it. Without it, no bundle is written.
        type: path
      common_name:
        description: Common name of the subject, 64 characters at most.
        type: str
        default: ""
      organizations:
        description: Organizations of the subject. Kubernetes takes them as groups.
        type: list
        elements: str
        default: []
      alternative_names:
        description: Subject alternative names, each an IP address or a DNS name. Required if O(certificates[].common_name) is empty.
        type: list
        elements: str
        default: []
      usages:
        description: Extended key usages.
        type: list
        elements: str
        required: true
        choices: [client_auth, server_auth]
      owner:
        description: Owner of the private key, a system account that is created if it is missing. The group is the account's own.
        type: str
        default: root
"""

    TERMS = r"""
options:
  days:
    description: Lifetime of a new certificate, in days.
    type: int
    default: 365
  renew_before_days:
    description: Renew a certificate with fewer days left. Must be 0 or more and less than O(days).
    type: int
    default: 60
  key_type:
    description: Type of the private keys. A key of another type is replaced.
    type: str
    choices: [ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096]
    default: ecdsa-p256
"""

    # The options of module certificate_files, which module job takes in its option pki.
    FILES = r"""
options:
  phase:
    description:
      - V(read) returns the public keys, certificates and CA bundles of the host. It generates private keys that are missing, unreadable,
        too old or of another type; a new key stays in C(<path>.key.new) until its certificate is written.
      - V(write) writes certificates with their keys, and bundles.
    type: str
    required: true
    choices: [read, write]
  certificates:
    description: The certificates to read or to write.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path without suffix.
        type: path
        required: true
      owner:
        description: Owner of the private key, a system account; V(write) creates it if it is missing.
        type: str
        required: true
      public_key:
        description: Public key that the certificate is for, base64 of DER. Required for V(write).
        type: str
      certificate:
        description: The certificate in PEM. V(write) leaves the file as it is if this is null.
        type: str
  bundles:
    description: The CA bundles to read or to write.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description: The bundle in PEM. V(write) leaves the file as it is if this is null.
        type: str
  key_type:
    description: Type of the private keys.
    type: str
    required: true
    choices: [ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096]
  since:
    description: Replace private keys created before this time, in seconds since the epoch.
    type: float
    default: 0
"""

    # Annotated, since ansible-test's yamllint expects a literal in every plain assignment here.
    PKI: str = f"""
options:
  pki:
    description: >-
      The options of M(cfcr.kubernetes.certificate_files) for O(certificates). With phase V(read) the job is compared, but not applied. Set by the
      action only.
    type: dict
    suboptions:{textwrap.indent(FILES.partition("options:")[2], "    ")}"""

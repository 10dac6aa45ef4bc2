# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lists of certificate authorities and credentials, in every module that takes them."""

from __future__ import annotations


class ModuleDocFragment:
    """Documents AUTHORITIES and CREDENTIALS of module_utils/_credentials/authority_list.py and credential_list.py."""

    AUTHORITIES = r"""
options:
  authorities:
    description: The CAs that the store must have.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name in the store, of a-z, 0-9 and, inside it, C(.), C(_), C(-).
        type: str
        required: true
      common_name:
        description: Common name of subject and issuer. Defaults to O(authorities[].name).
        type: str
      days:
        description: Lifetime, in days.
        type: int
        default: 3650
      key_type:
        description: Type of the private key.
        type: str
        choices: [ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096]
        default: ecdsa-p256
"""

    CREDENTIALS = r"""
options:
  credentials:
    description: The credentials that the store must have.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name in the store, of a-z, 0-9 and, inside it, C(.), C(_), C(-).
        type: str
        required: true
      type:
        description:
          - V(value) is O(credentials[].value), kept in plain text; V(password) consists of letters and digits, V(key) of random bytes in
            base64; V(rsa) is a key pair in PEM, V(ssh) one in OpenSSH's formats; V(certificate) is a private key with a certificate that
            a CA of the store signs.
          - V(token), since version 1.0.0, is a random name of O(credentials[].bytes) bytes in hexadecimal digits, which is no secret.
          - V(hosts), since version 1.0.0, are the hosts of O(credentials[].groups) with their indices. A host keeps its index. A new one gets the
            lowest that is free in its group, so the first hosts get their positions.
          - V(versions), since version 1.0.0, are the versions of the cluster's components, and those before the last update. They change only with
            O(credentials[].replace).
        type: str
        required: true
        choices: [value, token, password, key, rsa, ssh, certificate, hosts, versions]
      value:
        description:
          - For V(value), the new value; an empty one only reads the record.
          - For V(password), V(key), V(rsa) and V(ssh), a value created elsewhere. Of a key pair it is the private key, of a V(key) base64.
          - Not for a V(certificate).
        type: str
        default: ""
      version:
        description:
          - Restores this version of the record; M(cfcr.kubernetes.credential_info) lists the versions. A version that the store no longer
            has is an error. Not for a V(certificate).
        type: int
      generate:
        description: Whether to generate the credential if the store does not have it. If false, O(credentials[].value) must give it once.
        type: bool
        default: true
      adopt:
        description: The value of a credential that a store from before this credential gets instead of a generated one.
        type: dict
        version_added: "1.0.0"
        suboptions:
          credential:
            description: The credential that such a store has.
            type: str
            required: true
          value:
            description: The value.
            type: str
            required: true
      groups:
        description: For V(hosts), the names of all hosts by group. A host is in one group. Required for V(hosts).
        type: dict
        version_added: "1.0.0"
      complete:
        description:
          - Whether O(credentials[].groups) are the whole cluster. Hosts that they do not have then lose their indices. Otherwise these are kept. A
            store without indices first needs the whole cluster.
        type: bool
        default: true
        version_added: "1.0.0"
      versions:
        description: For V(versions), the versions by project, as the lookup P(cfcr.kubernetes.versions#lookup) returns them. Required for V(versions).
        type: dict
        version_added: "1.0.0"
      replace:
        description: Whether O(credentials[].versions) replaces other versions of the store, which it then keeps as the former ones.
        type: bool
        default: false
        version_added: "1.0.0"
      length:
        description: Number of characters of a password, 12 or more.
        type: int
        default: 32
      exclude_lower:
        description: Whether a password has no lower case letters.
        type: bool
        default: false
      exclude_upper:
        description: Whether a password has no upper case letters.
        type: bool
        default: false
      exclude_number:
        description: Whether a password has no digits.
        type: bool
        default: false
      include_special:
        description: Whether a password also has ASCII punctuation.
        type: bool
        default: false
      bytes:
        description: Number of bytes of a key or token, 16 or more.
        type: int
        default: 32
      bits:
        description: Size of an RSA key, in bits.
        type: int
        choices: [2048, 3072, 4096]
        default: 2048
      comment:
        description: Comment of an SSH key.
        type: str
        default: ""
      authority:
        description: Name of the CA in the store that signs the certificate. Required for a V(certificate).
        type: str
      common_name:
        description: Common name of the certificate's subject, 64 characters at most.
        type: str
        default: ""
      organizations:
        description: Organizations of the certificate's subject. Kubernetes takes them as groups.
        type: list
        elements: str
        default: []
      alternative_names:
        description: Subject alternative names of the certificate, each an IP address or a DNS name.
        type: list
        elements: str
        default: []
      usages:
        description: Extended key usages of the certificate.
        type: list
        elements: str
        choices: [client_auth, server_auth]
        default: [client_auth]
      days:
        description: Lifetime of a new certificate, in days.
        type: int
        default: 365
      renew_before_days:
        description: Renew a certificate with fewer days left. Must be 0 or more and less than O(credentials[].days).
        type: int
        default: 60
      since:
        description: Reissue a certificate created before this time in UTC, such as V(2026-11-21T09:00:00Z).
        type: str
        default: ""
      key_type:
        description: >-
          Type of the private key of a certificate or an SSH key. Defaults to V(ecdsa-p256) for a V(certificate), and to V(ed25519), which a
          certificate cannot have, for V(ssh).
        type: str
        choices: [ed25519, ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096]
      kubeconfig:
        description:
          - Write the certificate to a kubeconfig of mode 0600 on the director, whenever its content changes. For a V(certificate) only.
        type: dict
        suboptions:
          path:
            description: The file. Its directory is created if it is missing.
            type: path
            required: true
          cluster:
            description: Name of the cluster, of the user and of the context.
            type: str
            required: true
          server:
            description: URL of the API server.
            type: str
            required: true
"""

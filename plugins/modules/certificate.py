#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep keys and certificates of a host as asked. The code is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate
short_description: Keep the keys and certificates of a host as asked
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Keeps a list of private keys, certificates and bundles of authorities on one host, in at most two round trips to it, one where nothing
    changes.
  - A private key is made on the host and never leaves it. The public key goes to the director, which signs what the controller asks for
    (names, usages, lifetime); the certificate and the bundle come back and are written atomically. Key and certificate on disk belong
    together also when a run is interrupted.
  - A certificate is issued again, for the same key, when it is missing or damaged, when its names or usages are others than those
    asked for, when its authority signs with another key by now, when it does not belong to the private key, or when it has fewer than
    O(renew_before_days) days left. A private key is replaced only when it is missing, unreadable, older than O(since), or not of
    O(key_type), and its certificate with it.
  - No certificate outlives its authority. One that ends with its authority is not renewed in every run; a warning says that the
    authority must be replaced.
  - Everything in O(certificates) is validated before the host is touched.
  - Option O(store) defaults to the variable C(cluster_store); it is opened by the director.
extends_documentation_fragment: [cfcr.kubernetes._attributes, cfcr.kubernetes._attributes.action, cfcr.kubernetes._store]
options:
  certificates:
    description: The certificates of this host.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description:
          - Absolute path without suffix. The private key is C(<path>.key), of mode 0600; the certificate C(<path>.crt), of mode 0644.
        type: path
        required: true
      authority:
        description: Name of the authority in the store that signs.
        type: str
        required: true
      authority_path:
        description: File that the authority's bundle is written to. Entries of one authority may share it.
        type: path
      common_name:
        description: Common name of the subject.
        type: str
        default: ""
      organizations:
        description: Organizations of the subject. To Kubernetes they are groups.
        type: list
        elements: str
        default: []
      alternative_names:
        description: DNS names and IP addresses, told apart by their form. Needed where O(certificates[].common_name) is empty.
        type: list
        elements: str
        default: []
      usages:
        description: What the certificate may be used for.
        type: list
        elements: str
        required: true
        choices: [client_auth, server_auth]
      owner:
        description: Owner of the private key, a system account that is made where it is missing. The group is its own.
        type: str
        default: root
  director:
    description: The host that keeps the store, a name of the inventory. Defaults to the variable C(cluster_director).
    type: str
    required: true
  days:
    description: Lifetime of new certificates. Defaults to the variable C(cluster_certificate_days).
    type: int
    default: 365
  renew_before_days:
    description:
      - A certificate that has fewer days left is renewed; less than O(days).
      - Defaults to the variable C(cluster_certificate_renew_before_days).
    type: int
    default: 60
  key_type:
    description: Type of the private keys. Defaults to the variable C(cluster_key_type).
    type: str
    choices: [ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096]
    default: ecdsa-p256
  since:
    description:
      - Keys that were made before this moment are made anew, such as V(2026-11-21T09:00:00Z). Playbook C(rotate) uses it.
      - Defaults to the variable C(cluster_certificates_since).
    type: str
    default: ""
seealso:
  - module: cfcr.kubernetes.certificate_authority
  - module: cfcr.kubernetes.credential
"""

EXAMPLES = r"""
- name: Keep the certificates of an etcd member
  cfcr.kubernetes.certificate:
    certificates:
      - path: /etc/etcd/pki/server
        authority: etcd
        authority_path: /etc/etcd/pki/ca.crt
        alternative_names: ["{{ cluster_host_address }}", etcd-0.etcd.cfcr.internal]
        usages: [server_auth, client_auth]
        owner: etcd
      - path: /etc/etcd/pki/client
        authority: etcd
        common_name: root
        usages: [client_auth]
"""

RETURN = r"""
certificates:
  description: What each certificate says, in the order of O(certificates); in check mode, what it would say.
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: The path without suffix.
      type: str
    reasons:
      description: Why it was issued; empty where it was not.
      type: list
      elements: str
    common_name:
      description: Common name of the subject.
      type: str
    organizations:
      description: Organizations of the subject.
      type: list
      elements: str
    alternative_names:
      description: DNS names and IP addresses.
      type: list
      elements: str
    usages:
      description: What it may be used for.
      type: list
      elements: str
    issuer:
      description: Name and key of the authority.
      type: str
    key:
      description: Type and fingerprint of the public key.
      type: str
    not_after:
      description: When it ends.
      type: str
      sample: "2027-11-21T09:00:00Z"
"""

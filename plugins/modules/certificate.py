#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manage the private keys and certificates of a host. The code is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate
short_description: Manage the private keys and certificates of a host
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Manages a list of private keys, certificates and CA bundles on one host, in two round trips to it, or one if nothing changes.
  - The host generates its private key, which never leaves it. The public key goes to the director, which signs what the controller
    specifies (names, usages, lifetime). The certificate and the CA bundle come back and are written atomically. Key and certificate on disk
    match even if a run is interrupted.
  - A certificate is reissued for the same key if it is missing or damaged, if its names or usages differ from the options, if its CA
    signs with another key now, if it does not match the private key, or if it has fewer than O(renew_before_days) days left. A private
    key is replaced, together with its certificate, only if it is missing, unreadable, created before O(since) or not of O(key_type).
  - No certificate outlives its CA. A certificate that expires with its CA is not renewed in every run; a warning says that the CA must be
    replaced.
  - All options are validated before the host is touched; one error lists all problems.
  - Options that are not given come from variables of the cluster, O(director) from C(cluster_director), O(store) from C(cluster_store),
    O(days) from C(cluster_certificate_days), O(renew_before_days) from C(cluster_certificate_renew_before_days), O(key_type) from
    C(cluster_key_type) and O(since) from C(cluster_certificates_since). The defaults below apply if the variable is not defined either.
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
  - cfcr.kubernetes._attributes.action
  - cfcr.kubernetes._certificates
  - cfcr.kubernetes._certificates.terms
  - cfcr.kubernetes._store
options:
  certificates:
    required: true
  director:
    description: Name in the inventory of the host that keeps the store. Required unless the variable C(cluster_director) is defined.
    type: str
  store:
    description: The credential store, which the director opens. Required unless the variable C(cluster_store) is defined.
    required: false
  since:
    description: Reissue keys and certificates created before this time in UTC, such as V(2026-11-21T09:00:00Z). Playbook C(rotate) uses it.
    type: str
    default: ""
seealso:
  - module: cfcr.kubernetes.certificate_authority
  - module: cfcr.kubernetes.credential
"""

EXAMPLES = r"""
- name: Issue the certificates of an etcd member
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
  description: The certificates, one entry for each of O(certificates). In check mode, as they would be.
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: The path without suffix.
      type: str
    reasons:
      description: Why it was issued; empty if it was not.
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
      description: Subject alternative names, DNS names and IP addresses.
      type: list
      elements: str
    usages:
      description: Extended key usages.
      type: list
      elements: str
    issuer:
      description: Name and key of the CA.
      type: str
    key:
      description: Type and fingerprint of the public key.
      type: str
    not_after:
      description: When it expires, in UTC.
      type: str
      sample: "2027-11-21T09:00:00Z"
"""

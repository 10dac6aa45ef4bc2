# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that say how the members of etcd are reached."""

from __future__ import annotations


class ModuleDocFragment:
    """Documents CONNECTION of module_utils/_etcd/client.py."""

    DOCUMENTATION = r"""
options:
  endpoints:
    description:
      - Client URLs of the members, with HTTPS.
      - They are tried in turn; a member that does not answer is skipped.
    type: list
    elements: str
    required: true
  ca_path:
    description: CA bundle that the members' certificates are verified against.
    type: path
    default: /etc/etcd/pki/ca.crt
  certificate_path:
    description: Client certificate.
    type: path
    default: /etc/etcd/pki/server.crt
  key_path:
    description: Private key of the client certificate.
    type: path
    default: /etc/etcd/pki/server.key
  user:
    description:
      - User of etcd with the role V(root).
      - etcd's JSON gateway does not take the user from the common name of a client certificate.
    type: str
    default: root
  password:
    description: Password of O(user). Used only while authentication is enabled.
    type: str
  former_passwords:
    description: Passwords to try if O(password) is refused, during a rotation or after a restore.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds that one request to one member may take.
    type: float
    default: 5
notes:
  - The module runs on a host that reaches the members, and needs no etcdctl. It uses etcd's JSON gateway.
"""

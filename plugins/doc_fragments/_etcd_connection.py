# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that say how the members of etcd are reached."""

from __future__ import annotations


class ModuleDocFragment:
    """Documents CONNECTION of module_utils/_etcd.py."""

    DOCUMENTATION = r"""
options:
  endpoints:
    description:
      - Client URLs of the members, all of HTTPS.
      - They are asked in turn, a member that does not answer is passed over.
    type: list
    elements: str
    required: true
  ca_path:
    description: Certificate authorities that the members' certificates are verified against.
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
      - etcd's JSON gateway takes no user from the common name of a client certificate.
    type: str
    default: root
  password:
    description: Password of O(user). Used only while authentication is enabled.
    type: str
  former_password:
    description: Tried where O(password) is refused, while that is being replaced.
    type: str
  timeout:
    description: Seconds that one request to one member may take.
    type: float
    default: 5
notes:
  - The module runs on a host that reaches the members, and needs no etcdctl there; it speaks JSON to etcd's gateway.
"""

#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configure users, roles and authentication of etcd."""

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_auth
short_description: Configure users, roles and authentication of etcd
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Waits until the cluster has a quorum, then configures roles and users, and authentication last, so that it is never enabled without them.
  - A listed role gets exactly the listed permissions, a listed user exactly the listed roles. Others are left unchanged.
options:
  enabled:
    description: Whether authentication is enabled. etcd needs a user V(root) with the role V(root) for it.
    type: bool
    default: true
  roles:
    description: Roles. The role V(root) is built in and needs no entry.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the role.
        type: str
        required: true
      permissions:
        description: Its permissions.
        type: list
        elements: dict
        default: []
        suboptions:
          permission:
            description: Kind of access.
            type: str
            choices: [read, write, readwrite]
            required: true
          key:
            description: The key. With O(roles[].permissions[].prefix), an empty key stands for all keys.
            type: str
            required: true
          prefix:
            description: Whether the permission is for all keys that start with O(roles[].permissions[].key).
            type: bool
            default: false
  users:
    description: Users.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the user.
        type: str
        required: true
      password:
        description: Password. A user that is created without one can only log in by a client certificate with the user's name as common name.
        type: str
      roles:
        description: Roles of the user.
        type: list
        elements: str
        default: []
  update_password:
    description:
      - Passwords cannot be read. V(on_create) sets them for new users, and for all listed users when it enables authentication.
      - V(always) tries each password by a login, and changes the wrong ones. To change the password of O(user), set O(password) to the old one
        and O(users) to the new one.
    type: str
    choices: [on_create, always]
    default: on_create
  wait_timeout:
    description: Seconds to wait for a quorum.
    type: float
    default: 60
extends_documentation_fragment:
  - cfcr.kubernetes._attributes.actiongroup_etcd
  - cfcr.kubernetes._etcd_connection
  - cfcr.kubernetes._attributes
"""

EXAMPLES = r"""
- name: Grant the API server and flannel the permissions that they need
  cfcr.kubernetes.etcd_auth:
    endpoints: ["https://10.0.0.1:2379", "https://10.0.0.2:2379", "https://10.0.0.3:2379"]
    password: "{{ etcd_root_password }}"
    roles:
      - name: kube-apiserver
        permissions:
          - {permission: readwrite, key: /registry/, prefix: true}
          - {permission: readwrite, key: compact_rev_key}
      - name: flannel
        permissions:
          - {permission: read, key: /coreos.com/network/config}
          - {permission: readwrite, key: /coreos.com/network/subnets, prefix: true}
    users:
      - {name: root, password: "{{ etcd_root_password }}", roles: [root]}
      - {name: kube-apiserver, roles: [kube-apiserver]}
      - {name: flannel, roles: [flannel]}
"""

RETURN = r"""
cluster_id:
  description: ID of the cluster, in hexadecimal as etcdctl prints it.
  returned: success
  type: str
  sample: cdf818194e3a8c32
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd import auth
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.client import CONNECTION, Etcd, EtcdError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish, finish_unread

PERMISSION = {
    "permission": {"type": "str", "choices": ["read", "write", "readwrite"], "required": True},
    "key": {"type": "str", "required": True, "no_log": False},
    "prefix": {"type": "bool", "default": False},
}
OPTIONS = {
    "enabled": {"type": "bool", "default": True},
    "roles": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "permissions": {"type": "list", "elements": "dict", "default": [], "options": PERMISSION},
        },
    },
    "users": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "password": {"type": "str", "no_log": True},
            "roles": {"type": "list", "elements": "str", "default": []},
        },
    },
    "update_password": {"type": "str", "choices": ["on_create", "always"], "default": "on_create", "no_log": False},
    "wait_timeout": {"type": "float", "default": 60},
}


def read_state(etcd: Etcd, params: dict[str, t.Any], passwords: dict[str, str]) -> auth.State:
    """Return the actual state, read as root with the given password, or with the new one if that is already set."""
    try:
        return auth.read(etcd, params)
    except EtcdError as error:
        new = passwords.get(params["user"])
        if not error.reason.startswith("authentication failed") or new in (None, etcd.password):
            raise
        etcd.password = new
        return auth.read(etcd, params)


def wrong_passwords(etcd: Etcd, found: auth.State, params: dict[str, t.Any], passwords: dict[str, str]) -> set[str]:
    """Return the users whose passwords must be set."""
    existing = set(passwords) & set(found.users)
    if not found.enabled:
        return existing if params["enabled"] else set()
    if params["update_password"] == "on_create":
        return set()
    return {name for name in existing if not etcd.password_is_right(name, passwords[name])}


def main() -> None:
    """Configure users, roles and authentication."""
    module = AnsibleModule(argument_spec={**CONNECTION, **OPTIONS}, supports_check_mode=True)
    params = module.params
    passwords = {user["name"]: user["password"] for user in params["users"] if user["password"] is not None}
    try:
        etcd = Etcd(params)
        try:
            etcd.wait_healthy(0 if module.check_mode else params["wait_timeout"])
            found = read_state(etcd, params, passwords)
        except EtcdError as error:
            if not module.check_mode or not error.unavailable:
                raise
            finish_unread(module, error, auth.describe(auth.plan(auth.NOTHING, params), {}), cluster_id="")
        wrong = wrong_passwords(etcd, found, params, passwords)
        wanted = auth.plan(found, params)
        finish(
            module,
            auth.describe(found, dict.fromkeys(wrong, "old")),
            auth.describe(wanted, dict.fromkeys(wrong, "new")),
            lambda: auth.apply(etcd, auth.requests(found, wanted, passwords, wrong)),
            cluster_id=f"{found.cluster:x}",
        )
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd import auth
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.auth import Permission, State
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.client import prefix_end, to_bytes

EMPTY = State(1, False, {}, {})
FLANNEL = {"permission": "readwrite", "key": "/coreos.com/network/", "prefix": True}
PARAMS = {
    "enabled": True,
    "roles": [{"name": "flannel", "permissions": [FLANNEL]}],
    "users": [{"name": "root", "password": "secret", "roles": ["root"]}, {"name": "flannel", "password": None, "roles": ["flannel"]}],
}
NETWORK = Permission("/coreos.com/network/", prefix_end("/coreos.com/network/"), "readwrite")
DONE = State(1, True, {"flannel": [NETWORK]}, {"root": ["root"], "flannel": ["flannel"]})


@pytest.mark.parametrize(("prefix", "end"), [("/registry/", b"/registry0"), ("a", b"b"), ("", b"\0"), ("a\x7f", b"a\x80")])
def test_prefix_end_is_the_next_key_after_the_prefix(prefix, end):
    assert base64.b64decode(prefix_end(prefix)) == end


def test_authentication_is_enabled_after_everything_is_created():
    wanted = auth.plan(EMPTY, PARAMS)
    assert wanted == DONE
    asked = auth.requests(EMPTY, wanted, {"root": "secret"}, set())
    assert [path.rpartition("/v3/auth/")[2] for path, _body in asked] == [
        "role/add", "role/grant", "user/add", "user/grant", "user/add", "user/grant", "enable",
    ]  # fmt: skip
    assert ("/v3/auth/user/add", {"name": "root", "password": "secret"}) in asked
    assert ("/v3/auth/user/add", {"name": "flannel", "options": {"no_password": True}}) in asked


def test_an_existing_configuration_needs_no_requests():
    assert auth.plan(DONE, PARAMS) == DONE
    assert auth.requests(DONE, DONE, {"root": "secret"}, set()) == []


def test_surplus_permissions_and_roles_are_revoked():
    stray = Permission("/registry/", prefix_end("/registry/"), "read")
    found = DONE._replace(
        roles={"flannel": [NETWORK._replace(kind="read"), stray]}, users={**DONE.users, "flannel": ["flannel", "kube-apiserver"]}
    )
    asked = auth.requests(found, auth.plan(found, PARAMS), {}, set())
    assert asked == [
        ("/v3/auth/role/revoke", {"role": "flannel", **stray.range}),
        ("/v3/auth/role/grant", {"name": "flannel", "perm": {"permType": "READWRITE", **NETWORK.range}}),
        ("/v3/auth/user/revoke", {"name": "flannel", "role": "kube-apiserver"}),
    ]


def test_other_users_and_roles_are_kept():
    found = DONE._replace(roles={**DONE.roles, "root": [], "stray": []}, users={**DONE.users, "stray": []})
    assert auth.plan(found, PARAMS) == found


def test_the_password_of_root_is_changed_last():
    asked = auth.requests(DONE, DONE, {"root": "new", "x": "new"}, {"root", "x"})
    assert [body["name"] for _path, body in asked] == ["x", "root"]


def test_the_diff_describes_passwords_and_key_ranges():
    state = DONE._replace(roles={"r": [Permission("\0", prefix_end(""), "read"), Permission("a", to_bytes("x"), "write")]})
    described = auth.describe(state, {"root": "new"})
    assert described["users"]["root"] == {"roles": ["root"], "password": "new"}
    assert described["roles"]["r"] == [
        {"permission": "read", "key": "", "prefix": True},
        {"permission": "write", "key": "a", "range_end": to_bytes("x")},
    ]

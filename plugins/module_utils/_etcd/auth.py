# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users and roles of etcd as plain values: the actual and the desired state, and the requests that change one into the other."""

from __future__ import annotations

import typing as t

from .client import Etcd, EtcdError, from_bytes, prefix_end, to_bytes

__all__ = ("NOTHING", "Permission", "State", "apply", "describe", "plan", "read", "requests")

Request = t.Tuple[str, t.Dict[str, t.Any]]
ALL_KEYS = "\0"


class Permission(t.NamedTuple):
    """The access to a key, or to the range of keys up to an end, which is in base64."""

    key: str
    end: str
    kind: str

    @property
    def range(self) -> dict[str, str]:
        """Return the range of keys in etcd's format."""
        return {"key": to_bytes(self.key), "range_end": self.end}

    def describe(self) -> dict[str, t.Any]:
        """Return the permission as an option of the module, or with its end if no option describes its range."""
        described: dict[str, t.Any] = {"permission": self.kind, "key": "" if self.key == ALL_KEYS else self.key}
        if self.end and self.end != prefix_end(described["key"]):
            return {**described, "range_end": self.end}
        return {**described, "prefix": bool(self.end)}


class State(t.NamedTuple):
    """Authentication: whether it is enabled, the permissions of each role, the roles of each user."""

    cluster: int
    enabled: bool
    roles: dict[str, list[Permission]]
    users: dict[str, list[str]]


NOTHING = State(cluster=0, enabled=False, roles={}, users={})


def read(etcd: Etcd, params: dict[str, t.Any]) -> State:
    """Read the listed users and roles."""
    status = etcd.call("/v3/auth/status")
    roles = {role["name"]: _get(etcd, "role", {"role": role["name"]}) for role in params["roles"]}
    users = {user["name"]: _get(etcd, "user", {"name": user["name"]}) for user in params["users"]}
    return State(
        cluster=int(status["header"]["cluster_id"]),
        enabled=status.get("enabled", False),
        roles={name: sorted(map(_permission, role.get("perm", []))) for name, role in roles.items() if role is not None},
        users={name: sorted(user.get("roles", [])) for name, user in users.items() if user is not None},
    )


def plan(found: State, params: dict[str, t.Any]) -> State:
    """Return the desired state."""
    roles = {role["name"]: sorted(map(_wanted_permission, role["permissions"])) for role in params["roles"]}
    users = {user["name"]: sorted(set(user["roles"])) for user in params["users"]}
    return State(
        cluster=found.cluster,
        enabled=params["enabled"],
        roles={**found.roles, **roles},
        users={**found.users, **users},
    )


def requests(found: State, wanted: State, passwords: dict[str, str], wrong: set[str]) -> list[Request]:
    """Return the requests, in an order in which no user ever has more than the desired access, and root stays logged in."""
    return [
        *_role_requests(found.roles, wanted.roles),
        *_user_requests(found.users, wanted.users, passwords),
        *_password_requests(passwords, wrong),
        *([(f"/v3/auth/{'enable' if wanted.enabled else 'disable'}", {})] if found.enabled != wanted.enabled else []),
    ]


def apply(etcd: Etcd, planned: list[Request]) -> None:
    """Send the requests. After a change of its own password, the module continues with the new one."""
    for path, body in planned:
        etcd.call(path, body)
        if path == "/v3/auth/user/changepw" and body["name"] == etcd.user:
            etcd.password = body["password"]


def describe(state: State, passwords: dict[str, str]) -> dict[str, t.Any]:
    """Return the state for the diff. For a user whose password changes it has a word, never the password."""
    return {
        "enabled": state.enabled,
        "roles": {name: [permission.describe() for permission in role] for name, role in sorted(state.roles.items())},
        "users": {
            name: {"roles": roles, **({"password": passwords[name]} if name in passwords else {})}
            for name, roles in sorted(state.users.items())
        },
    }


def _role_requests(found: dict[str, list[Permission]], wanted: dict[str, list[Permission]]) -> t.Iterator[Request]:
    for name, permissions in wanted.items():
        if name not in found:
            yield "/v3/auth/role/add", {"name": name}
        before = {permission[:2]: permission for permission in found.get(name, [])}
        after = {permission[:2]: permission for permission in permissions}
        for keys in before.keys() - after.keys():
            yield "/v3/auth/role/revoke", {"role": name, **before[keys].range}
        for keys, permission in after.items():
            if before.get(keys) != permission:
                yield "/v3/auth/role/grant", {"name": name, "perm": {"permType": permission.kind.upper(), **permission.range}}


def _user_requests(found: dict[str, list[str]], wanted: dict[str, list[str]], passwords: dict[str, str]) -> t.Iterator[Request]:
    for name, roles in wanted.items():
        if name not in found:
            secret = {"password": passwords[name]} if name in passwords else {"options": {"no_password": True}}
            yield "/v3/auth/user/add", {"name": name, **secret}
        before = found.get(name, [])
        for role in set(before) - set(roles):
            yield "/v3/auth/user/revoke", {"name": name, "role": role}
        for role in roles:
            if role not in before:
                yield "/v3/auth/user/grant", {"user": name, "role": role}


def _password_requests(passwords: dict[str, str], wrong: set[str]) -> t.Iterator[Request]:
    for name in sorted(wrong, key=lambda name: (name == "root", name)):
        yield "/v3/auth/user/changepw", {"name": name, "password": passwords[name]}


def _get(etcd: Etcd, kind: str, body: dict[str, str]) -> dict[str, t.Any] | None:
    try:
        return etcd.call(f"/v3/auth/{kind}/get", body)
    except EtcdError as error:
        if error.reason == f"{kind} name not found":
            return None
        raise


def _permission(answer: dict[str, str]) -> Permission:
    return Permission(from_bytes(answer.get("key", "")), answer.get("range_end", ""), answer.get("permType", "READ").lower())


def _wanted_permission(permission: dict[str, t.Any]) -> Permission:
    end = prefix_end(permission["key"]) if permission["prefix"] else ""
    return Permission(permission["key"] or ALL_KEYS, end, permission["permission"])

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list of credentials that module credential takes, and the kubeconfigs made of them."""

from __future__ import annotations

import typing as t

from .._pki.files import NAMES, USAGES
from .._pki.x509 import now
from .._result import outcome
from .._store.options import STORE
from .._store.store import Store
from .credentials import Credential
from .kubeconfig import KubeconfigFile
from .ssh_keys import SSH_KEY_TYPES
from .types import TYPES

__all__ = ("CREDENTIALS", "SPEC", "keep_credentials")

CREDENTIALS = {
    "type": "list",
    "elements": "dict",
    "options": {
        "name": {"type": "str", "required": True},
        "type": {"type": "str", "required": True, "choices": [*TYPES, "certificate", "hosts", "versions"]},
        "value": {"type": "str", "default": ""},
        "version": {"type": "int"},
        "generate": {"type": "bool", "default": True},
        "adopt": {
            "type": "dict",
            "options": {"credential": {"type": "str", "required": True}, "value": {"type": "str", "required": True}},
        },
        "groups": {"type": "dict"},
        "complete": {"type": "bool", "default": True},
        "versions": {"type": "dict"},
        "replace": {"type": "bool", "default": False},
        "length": {"type": "int", "default": 32},
        "exclude_lower": {"type": "bool", "default": False},
        "exclude_upper": {"type": "bool", "default": False},
        "exclude_number": {"type": "bool", "default": False},
        "include_special": {"type": "bool", "default": False},
        "bytes": {"type": "int", "default": 32},
        "bits": {"type": "int", "choices": [2048, 3072, 4096], "default": 2048},
        "comment": {"type": "str", "default": ""},
        "authority": {"type": "str"},
        **NAMES,
        "usages": {"type": "list", "elements": "str", "choices": list(USAGES), "default": ["client_auth"]},
        "days": {"type": "int", "default": 365},
        "renew_before_days": {"type": "int", "default": 60},
        "since": {"type": "str", "default": ""},
        "key_type": {"type": "str", "choices": list(SSH_KEY_TYPES), "no_log": False},
        "kubeconfig": {
            "type": "dict",
            "options": {
                "path": {"type": "path", "required": True},
                "cluster": {"type": "str", "required": True},
                "server": {"type": "str", "required": True},
            },
        },
    },
    "required_if": [("type", "certificate", ("authority",)), ("type", "hosts", ("groups",)), ("type", "versions", ("versions",))],
    "mutually_exclusive": [("value", "version")],
}
SPEC = {**STORE, "credentials": {**CREDENTIALS, "required": True}}


# Called with the store, the server of a kubeconfig, and its certificate before and after.
HandOver = t.Callable[[Store, str, t.Optional[t.Dict[str, t.Any]], t.Optional[t.Dict[str, t.Any]]], None]


def keep_credentials(store: Store, options: dict[str, t.Any], check_mode: bool, hand_over: HandOver | None = None) -> dict[str, t.Any]:
    """Create, replace and renew what is due, and return the values of all. Before anything is written, each kubeconfig is handed over."""
    moment = now()
    credentials, files = [], []
    for entry in options["credentials"]:
        credential = Credential(store, entry, moment, check_mode)
        credentials.append(credential)
        if entry["kubeconfig"]:
            files.append(KubeconfigFile(entry["kubeconfig"], credential))
    states = {item.name: item for item in (*credentials, *files)}
    returned: dict[str, dict] = {}

    def apply() -> None:
        for entry, credential in zip(options["credentials"], credentials):
            if entry["kubeconfig"] and hand_over:
                hand_over(store, entry["kubeconfig"]["server"], credential.before, credential.after)
        for item in states.values():
            if item.before != item.after:
                item.make()

    if check_mode:
        returned.update({credential.name: credential.values() for credential in credentials})
    return outcome(
        check_mode,
        before={name: item.before for name, item in states.items() if item.before},
        after={name: item.after for name, item in states.items() if item.after},
        apply=apply,
        settle=lambda: returned.update({credential.name: credential.values() for credential in credentials}),
        credentials=returned,
    )

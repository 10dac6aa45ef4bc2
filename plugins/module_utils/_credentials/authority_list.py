# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list of CAs that module certificate_authority takes."""

from __future__ import annotations

import datetime
import typing as t

from .._pki.certificate import check_subject
from .._pki.keys import KEY_TYPES
from .._pki.x509 import Authority, describe, now
from .._result import outcome
from .._store.options import STORE
from .._store.store import Store, keep
from .._timestamp import to_timestamp
from .authorities import get_authority, make_authority, to_authority

__all__ = ("AUTHORITIES", "SPEC", "keep_authorities")

AUTHORITIES = {
    "type": "list",
    "elements": "dict",
    "options": {
        "name": {"type": "str", "required": True},
        "common_name": {"type": "str"},
        "days": {"type": "int", "default": 3650},
        "key_type": {"type": "str", "choices": list(KEY_TYPES), "default": "ecdsa-p256", "no_log": False},
    },
}
SPEC = {**STORE, "authorities": {**AUTHORITIES, "required": True}}


def keep_authorities(store: Store, options: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Create the CAs that the store does not have, and return all."""
    moment = now()
    wanted = {entry["name"]: entry for entry in options["authorities"]}
    for entry in wanted.values():
        check_subject("common_name", common_name(entry))
    actual = {name: get_authority(store, name) for name in wanted}
    returned = {name: values(authority) for name, authority in actual.items()}
    return outcome(
        check_mode,
        before={name: summary(authority) for name, authority in actual.items() if authority},
        after={name: summary(actual[name]) if actual[name] else planned(entry, moment) for name, entry in wanted.items()},
        apply=lambda: returned.update({name: values(made(store, entry, moment)) for name, entry in wanted.items()}),
        authorities=returned,
    )


def summary(authority: Authority) -> dict:
    """Return an existing CA for a diff."""
    return {"certificates": describe(authority.bundle())}


def planned(entry: dict, moment: datetime.datetime) -> dict:
    """Return a CA that is yet to be created for a diff."""
    not_after = moment + datetime.timedelta(days=entry["days"])
    return {"certificates": [f"CN={common_name(entry)} {entry['key_type']} (new) until {to_timestamp(not_after)}"]}


def common_name(entry: dict) -> str:
    """Return the common name of a CA's subject."""
    return entry["common_name"] or entry["name"]


def made(store: Store, entry: dict, moment: datetime.datetime) -> Authority:
    """Return a CA, created if the store does not have it."""
    record = keep(
        store, f"authorities/{entry['name']}", lambda: make_authority(common_name(entry), entry["days"], entry["key_type"], moment)
    )
    return to_authority(entry["name"], record)


def values(authority: Authority | None) -> dict:
    """Return a CA as the module returns it."""
    if authority is None:
        return {"certificate": "", "bundle": "", "not_after": "", "rotation": ""}
    return {
        "certificate": authority.certificate(),
        "bundle": authority.bundle(),
        "not_after": to_timestamp(authority.not_after()),
        "rotation": authority.rotation,
    }

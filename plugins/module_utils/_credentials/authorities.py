# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificate authorities as records of the store."""

from __future__ import annotations

import datetime

from .._errors import HostError
from .._pki.x509 import Authority, new_authority, new_private_key
from .._store.store import Record, Store

__all__ = ("authority_key", "get_authority", "make_authority", "to_authority")


def to_authority(name: str, record: Record) -> Authority:
    """Return a CA of the public part of its record."""
    return Authority(name, tuple(record.public["certificates"]), record.public["signing"], record.public.get("rotation", ""))


def get_authority(store: Store, name: str) -> Authority | None:
    """Return a CA of the store, None if there is none of this name."""
    record = store.get(f"authorities/{name}")
    return to_authority(name, record) if record else None


def authority_key(store: Store, name: str) -> str:
    """Return the private key with which a CA signs."""
    record = store.get(f"authorities/{name}")
    if record is None:
        raise HostError(
            f"the store {store} has no CA {name!r}; found {', '.join(store.names('authorities')) or 'none'}"
        )
    return record.secret()["private_keys"][record.public["signing"]]


def make_authority(common_name: str, days: int, key_type: str, now: datetime.datetime) -> tuple[dict, dict]:
    """Return the public and the secret part of a record with a new CA."""
    key = new_private_key(key_type)
    return {"certificates": [new_authority(common_name, days, key, now)], "signing": 0}, {"private_keys": [key]}

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Information on the records of a store, without their values."""

from __future__ import annotations

import datetime
import typing as t

from .._backup.progress import summary as restore_summary
from .._backup.status import summary as backup_summary
from .._pki.x509 import certificate_info, now
from .._store.options import STORE
from .._store.removals import read as read_removals
from .._store.store import Record, Store
from .._store.updates import summary
from .._store.versions import recorded
from .._timestamp import from_timestamp
from .authorities import to_authority

__all__ = ("SPEC", "store_info")

SPEC: dict[str, t.Any] = {
    **STORE,
    "expires_within_days": {"type": "int"},
    "rotating": {"type": "bool", "default": False},
}

_KINDS = {"authorities": "authority", "credentials": "credential"}


def store_info(store: Store, options: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return a description of each record, or only of those that expire soon or are being rotated, the hosts with their indices, and the versions."""
    hosts = store.get("credentials/host-indices")
    records = [(kind, name) for kind in _KINDS for name in store.names(kind)]
    if options["rotating"]:
        records = [(kind, name) for kind, name in records if store.get(f"{kind}/{name}").public.get("rotation")]
    moment, days = now(), options["expires_within_days"]
    described = [_describe(kind, name, store.history(f"{kind}/{name}"), moment) for kind, name in records]
    ending = [entry for entry in described if days is None or (entry["days_left"] is not None and entry["days_left"] < days)]
    return {
        "changed": False,
        "store": str(store),
        "credentials": ending,
        "hosts": hosts.public["hosts"] if hosts else {},
        "removals": read_removals(store.backend),
        "versions": recorded(store),
        "unfinished_update": summary(store.backend),
        "backup": backup_summary(store.backend, moment),
        "restore": restore_summary(store.backend),
    }


def _describe(kind: str, name: str, history: list[Record], moment: datetime.datetime) -> dict[str, t.Any]:
    newest = history[-1]
    certificates = [certificate_info(pem) for pem in _certificates(kind, newest)]
    # A CA expires with the certificate with which it signs.
    not_after = certificates[newest.public.get("signing", 0)]["not_after"] if certificates else None
    return {
        "kind": _KINDS[kind],
        "name": name,
        "type": "certificate" if kind == "authorities" else newest.public["type"],
        "version": newest.version,
        "rotation": newest.public.get("rotation"),
        "created_at": newest.created_at,
        "age_days": _days(newest.created_at, moment),
        "not_after": not_after,
        "days_left": None if not_after is None else -_days(not_after, moment),
        "certificates": certificates,
        "versions": [{"version": record.version, "created_at": record.created_at} for record in history],
    }


def _certificates(kind: str, record: Record) -> t.Sequence[str]:
    if kind == "authorities":
        return to_authority("", record).certificates
    return [record.public["certificate"]] if record.public["type"] == "certificate" else []


def _days(since: str | None, moment: datetime.datetime) -> int | None:
    """Return the whole days since a time, negative for a time in the future."""
    if since is None:
        return None
    passed = moment - from_timestamp(since)
    return int(passed.total_seconds() / 86400)

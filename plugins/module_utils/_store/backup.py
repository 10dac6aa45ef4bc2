# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Export of a store to one encrypted file, with all kept versions of all records, and import into a store of any backend."""

from __future__ import annotations

import json
import os
import pwd
import typing as t

from .._errors import HostError
from .._files import write_atomically
from .encryption import BACKUP_COST, decrypt, encrypt, is_encrypted, new_salt
from .store import KINDS, Conflict, Record, Store

__all__ = ("BACKUP", "export_records", "import_plan", "import_records", "read_backup", "versions_of", "write_backup")

BACKUP: dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "passphrase": {"type": "str", "required": True, "no_log": True},
}

Records = t.Dict[str, t.List[t.Dict[str, t.Any]]]  # by name, the oldest version first

_BOUND_TO = "backup of a store"  # part of the format
_PARTS = {"created_at", "public", "secret"}


def export_records(store: Store, names: t.Iterable[str] | None = None) -> Records:
    """Return the records with these names, or all."""
    if names is None:
        names = [f"{kind}/{name}" for kind in KINDS for name in store.names(kind)]
    return {name: [_content(record) for record in history] for name, history in ((name, store.history(name)) for name in names) if history}


def versions_of(records: Records) -> dict[str, t.Any]:
    """Return records for a diff: the number of versions, and the time of the newest."""
    return {name: {"versions": len(history), "newest": history[-1]["created_at"]} for name, history in records.items()}


def write_backup(path: str, records: Records, passphrase: str) -> None:
    """Write the file."""
    content = {"format": 1, **encrypt(records, _BOUND_TO, passphrase, new_salt(), BACKUP_COST)}
    try:
        write_atomically(path, json.dumps(content).encode() + b"\n", 0o600, pwd.getpwuid(os.geteuid()).pw_name)
    except OSError as error:
        raise HostError(f"{path}: cannot be written: {error.strerror}; the former file is unchanged") from error


def read_backup(path: str, passphrase: str) -> Records | None:
    """Return the records in the file, None if there is no file."""
    try:
        with open(path, "rb") as stream:
            content = json.load(stream)
        if content["format"] != 1 or not is_encrypted(content):
            raise ValueError("unknown format")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise HostError(f"{path}: not a backup of a store, or damaged or truncated ({error}); nothing was changed") from error
    records = decrypt(content, _BOUND_TO, passphrase, path)
    if not all(name.partition("/")[0] in KINDS and history and all(set(part) == _PARTS for part in history) for name, history in records.items()):
        raise HostError(f"{path}: found a backup of an incompatible version of this collection; nothing was changed")
    return records


def import_plan(store: Store, records: Records, force: bool, all_of_them: bool) -> Records:
    """Return the versions to add to the store.

    A record whose newest version in the store is also in the file gets the newer versions, so an interrupted import continues. A version that
    only the store has would be hidden by the import: that is refused without force.
    """
    there = export_records(store, None if all_of_them else records)
    foreign = [name for name, history in there.items() if history[-1] not in records.get(name, ())]
    if foreign and not force:
        raise HostError(
            f"the store {store} has records or versions that the backup does not have: {', '.join(foreign)}; nothing was changed. Import into an "
            "empty store, import only the missing records, or set force, which makes the versions of the backup the newest"
        )
    plan = {}
    for name, history in records.items():
        newest = there[name][-1] if name in there else None
        missing = history[-1:] if name in foreign else history[history.index(newest) + 1 :] if newest else history
        if missing:
            plan[name] = missing
    return plan


def import_records(store: Store, plan: Records) -> None:
    """Add the versions."""
    for name, versions in plan.items():
        for version in versions:
            newest = store.get(name)
            try:
                store.put(name, version["public"], version["secret"], newest.version if newest else 0, version["created_at"])
            except Conflict as error:
                raise HostError(f"{name}: another run wrote to the store {store} at the same time; run the import again") from error


def _content(record: Record) -> dict[str, t.Any]:
    return {"created_at": record.created_at, "public": record.public, "secret": record.secret()}

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of hosts that leave the cluster, or have left it while the inventory still lists them: a document in the store.

It outlasts runs and controllers, so that an interrupted removal is continued, and no run installs a removed host again.
"""

from __future__ import annotations

import datetime
import typing as t

from .._errors import HostError
from .._timestamp import to_timestamp
from .options import STORE
from .store import Backend, revise

__all__ = ("LEAVING", "REMOVED", "SPEC", "changed", "operate", "read")

LEAVING, REMOVED = "leaving", "removed"
SPEC: dict[str, t.Any] = {
    **STORE,
    "state": {"type": "str", "choices": ["query", LEAVING, REMOVED, "absent"], "default": "query"},
    "hosts": {"type": "dict", "default": {}},
    "inventory": {"type": "dict"},
}
_NAME = "removal/hosts"
_FIELDS = ("group", "address", "state", "since")
_MEMBER = "member"  # of etcd, if the operator has not named the host like it

Entries = t.Dict[str, t.Dict[str, str]]


def changed(entries: Entries, options: t.Mapping[str, t.Any], now: str) -> Entries:
    """Return the entries after the operation. The function is pure.

    A host keeps its entry until the inventory no longer has it. A host with the same name and another address is another machine.
    """
    state, inventory = options["state"], options["inventory"]
    kept = dict(entries)
    for name, host in options["hosts"].items():
        if state == "absent":
            kept.pop(name, None)
        elif state != "query" and kept.get(name, {}).get("state") != state:
            more = {_MEMBER: str(host[_MEMBER])} if host.get(_MEMBER, name) not in ("", name) else {}
            kept[name] = {"group": str(host["group"]), "address": str(host["address"]), **more, "state": state, "since": now}
    if inventory is None:
        return kept
    return {name: entry for name, entry in kept.items() if entry["state"] == LEAVING or inventory.get(name) == entry["address"]}


def read(backend: Backend) -> Entries:
    """Return the entries by host."""
    document = backend.read(_NAME)
    return _parse(document.content, backend.where(_NAME)) if document else {}


def operate(backend: Backend, options: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Read or change the record, and return the result of the module."""

    def change(content: dict[str, t.Any] | None) -> tuple[dict[str, t.Any], dict[str, t.Any] | None]:
        before = {} if content is None else _parse(content, backend.where(_NAME))
        after = changed(before, options, to_timestamp(datetime.datetime.now(datetime.timezone.utc)))
        result = {"changed": after != before, "removals": after, "diff": {"before": before, "after": after}}
        return result, None if after == before else {"hosts": after}

    return revise(backend, _NAME, change, check_mode)


def _parse(content: dict[str, t.Any], where: str) -> Entries:
    hosts = content.get("hosts")
    if not isinstance(hosts, dict) or not all(map(_is_valid, hosts.values())):
        raise HostError(f"{where}: found a damaged record of removed hosts, expected their groups, addresses and states; restore or remove it")
    return {name: {field: entry[field] for field in (*_FIELDS, _MEMBER) if field in entry} for name, entry in hosts.items()}


def _is_valid(entry: t.Any) -> bool:
    if not isinstance(entry, dict) or entry.get("state") not in (LEAVING, REMOVED):
        return False
    return all(isinstance(entry.get(field), str) for field in _FIELDS) and isinstance(entry.get(_MEMBER, ""), str)

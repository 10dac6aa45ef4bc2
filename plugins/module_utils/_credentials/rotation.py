# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotation of CAs, keys and passwords in three phases, which the record of the store holds.

trust: everybody accepts the new one, the old one is in use. use: the new one is in use, everybody still accepts the old one. drop: only the new
one is left, though some hosts may still have the old one. A password, which only etcd verifies, starts with phase use.
"""

from __future__ import annotations

import datetime
import typing as t

from .._errors import HostError
from .._pki.x509 import now
from .._result import outcome
from .._store.options import STORE
from .._store.store import Conflict, Record, Store
from .._timestamp import from_timestamp, to_timestamp
from .authorities import make_authority
from .authority_list import AUTHORITIES, common_name
from .credential_list import CREDENTIALS
from .credentials import GENERATION
from .types import TYPES

__all__ = ("PHASES", "SPEC", "advanced", "begun", "rotate", "verdict", "withdrawn")

Parts = t.Tuple[t.Dict[str, t.Any], t.Dict[str, t.Any]]  # public and secret

PHASES = ("trust", "use", "drop")
_NEXT = {"trust": "use", "use": "drop", "drop": ""}
SPEC: dict[str, t.Any] = {
    **STORE,
    "state": {"type": "str", "required": True, "choices": ["query", "begun", "advanced", "withdrawn"]},
    "until": {"type": "str", "choices": list(PHASES), "default": "drop"},
    "minutes_in_phase": {"type": "dict", "default": {}},
    "authorities": {**AUTHORITIES, "default": []},
    "credentials": {**CREDENTIALS, "default": []},
}

_ROTATED_TYPES = ("key", "password", "rsa")
_PUBLIC = (GENERATION, "public_key")  # values in the public part of a record
_SINCE = "everywhere_since"  # when all hosts had completed the phase, if it lasts longer


def begun(old: Parts, new: Parts) -> Parts:
    """Return a record with a new CA, key or password in its first phase."""
    (public, secret), (new_public, new_secret) = old, new
    if "certificates" in public:
        return (
            {**public, "certificates": [*public["certificates"], *new_public["certificates"]], "rotation": "trust"},
            {"private_keys": [*secret["private_keys"], *new_secret["private_keys"]]},
        )
    other = {**new_public, **new_secret, GENERATION: public.get(GENERATION, 1) + 1}
    waiting = {**public, "rotation": "trust"}, {**secret, "others": [other]}
    return advanced(waiting) if public["type"] == "password" else waiting


def advanced(parts: Parts) -> Parts:
    """Return a record in its next phase, without a rotation after the last one."""
    public, secret = parts
    phase = public["rotation"]
    public = {name: value for name, value in public.items() if name not in ("rotation", _SINCE)}
    if not _NEXT[phase]:
        return public, secret
    public = {**public, "rotation": _NEXT[phase]}
    if "certificates" in public:
        if phase == "trust":
            return {**public, "signing": 1}, secret
        return {**public, "certificates": public["certificates"][1:], "signing": 0}, {"private_keys": secret["private_keys"][1:]}
    if phase == "trust":
        return _exchanged(public, secret)
    return public, {name: value for name, value in secret.items() if name != "others"}


def withdrawn(parts: Parts) -> Parts:
    """Return a record of phase trust in phase drop with the old one, since hosts still have the new one."""
    public, secret = parts
    public = {**{name: value for name, value in public.items() if name != _SINCE}, "rotation": "drop"}
    if "certificates" in public:
        return {**public, "certificates": public["certificates"][:1]}, {"private_keys": secret["private_keys"][:1]}
    return public, {name: value for name, value in secret.items() if name != "others"}


def _exchanged(public: dict[str, t.Any], secret: dict[str, t.Any]) -> Parts:
    """Exchange the value in use and the other one."""
    (other,) = secret["others"]
    values = {name: value for name, value in secret.items() if name != "others"}
    former = {**values, **{name: public[name] for name in _PUBLIC if name in public}, GENERATION: public.get(GENERATION, 1)}
    kept = {name: public[name] for name in ("type", "rotation")}
    return (
        {**kept, **{name: other[name] for name in _PUBLIC if name in other}},
        {**{name: value for name, value in other.items() if name not in _PUBLIC}, "others": [former]},
    )


def verdict(phase: str, until: str, moment: datetime.datetime, end: datetime.datetime) -> str:
    """Return why a rotation stays in its phase, which lasts at least until the given end; nothing if it can advance."""
    if until != "drop" and PHASES.index(phase) >= PHASES.index(until):
        return f"until is {until}, it does not advance further"
    if moment < end:
        return f"it stays for another {_duration((end - moment).total_seconds())}, until {to_timestamp(end)}"
    return ""


def rotate(store: Store, options: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Start rotations, advance them by one phase, or withdraw them."""
    items = [
        *(_Item("authority", entry, store) for entry in options["authorities"]),
        *(_Item("credential", entry, store) for entry in options["credentials"]),
    ]
    if options["state"] == "begun":
        _start(items)
    elif options["state"] == "advanced":
        for item in items:
            item.advance(options["until"], options["minutes_in_phase"].get(item.name, {}))
    elif options["state"] == "withdrawn":
        for item in items:
            item.withdraw()
    return outcome(
        check_mode,
        before={item.name: item.before for item in items},
        after={item.name: item.after + (" everywhere" if item.spread else "") for item in items},
        apply=lambda: [item.write() for item in items if item.spread or item.before != item.after],
        rotations=[
            {"name": item.name, "kind": item.kind, "before": item.before, "phase": item.after, "since": item.since, "waits": item.waits} for item in items
        ],
    )


def _start(items: list[_Item]) -> None:
    """Start all, or none while one of them is being rotated: a run that continues another must not start items again that are already done."""
    others = [item.name for item in items if item.before]
    for item in items:
        if not item.before:
            item.start(others)


class _Item:
    """One record with its phase before and after."""

    def __init__(self, kind: str, entry: dict[str, t.Any], store: Store) -> None:
        self.kind, self.name = kind, entry["name"]
        self._entry, self._store, self._moment = entry, store, now()
        self._path = f"{'authorities' if kind == 'authority' else 'credentials'}/{self.name}"
        self._record = self._found()
        self.before = self.after = self._record.public.get("rotation", "")
        self.since = self._record.public.get(_SINCE, "")
        self.waits, self.spread = "", False  # spread: whether to record that all hosts have completed the phase
        self._change: t.Callable[[Parts], Parts] = advanced

    def start(self, others: list[str]) -> None:
        """Plan its first phase, unless others are being rotated."""
        if others:
            self.waits = f"it starts after the rotation of {', '.join(others)}"
        else:
            self.after = "use" if self._record.public.get("type") == "password" else "trust"
            self._change = lambda parts: begun(parts, self._new())

    def advance(self, until: str, minutes: dict[str, t.Any]) -> None:
        """Plan its next phase. The caller knows that all hosts have completed the present one."""
        if not self.before:
            return
        since, least = self.since or to_timestamp(self._moment), float(minutes.get(self.before, 0))
        self.waits = verdict(self.before, until, self._moment, from_timestamp(since) + datetime.timedelta(minutes=least))
        if self.waits:
            self.spread, self.since = not self.since, since
            self._change = lambda parts: ({**parts[0], _SINCE: since}, parts[1])
        else:
            self.after, self.since = _NEXT[self.before], ""

    def withdraw(self) -> None:
        """Plan to withdraw it, which is possible while the new one is not in use."""
        if self.before == "use":
            raise HostError(f"{self.kind} {self.name}: found phase use, expected phase trust; the new one is in use, so it can only advance")
        if not self.before:
            self.waits = "it is not being rotated"
        elif self.before == "trust":
            self.after, self.since, self._change = "drop", "", withdrawn

    def write(self) -> None:
        """Write the planned record."""
        public, secret = self._change((self._record.public, self._record.secret()))
        try:
            self._store.put(self._path, public, secret, self._record.version)
        except Conflict as error:
            raise HostError(f"{self.kind} {self.name}: another run changed it at the same time; run again") from error

    def _found(self) -> Record:
        record = self._store.get(self._path)
        if not record:
            raise HostError(f"{self.kind} {self.name}: not found in the store {self._store}, nothing to rotate")
        if self.kind == "credential" and record.public["type"] not in _ROTATED_TYPES:
            raise HostError(f"credential {self.name}: found type {record.public['type']}, expected one that can be rotated: {', '.join(_ROTATED_TYPES)}")
        if self.kind == "credential" and record.public["type"] != self._entry["type"]:
            raise HostError(f"credential {self.name}: found type {record.public['type']} in the store {self._store}, expected {self._entry['type']}")
        return record

    def _new(self) -> Parts:
        entry = self._entry
        if self.kind == "authority":
            return make_authority(common_name(entry), entry["days"], entry["key_type"], self._moment)
        return TYPES[self._record.public["type"]].make(entry)


def _duration(time: float) -> str:
    return f"{time / 3600:.1f} hours" if time >= 3600 else f"{time / 60:.0f} minutes"

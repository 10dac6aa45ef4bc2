# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Add the keys of a backup to a store that lives on, so that the cluster can read what it had then. The functions are pure.

A key that is added counts as the former one of a rotation in phase use: everybody accepts it, nobody uses it. Playbook rotate drops it. If the record is
in phase trust, its new key becomes such a former one, too: that takes the rotation back, which could neither end nor be taken back without etcd.
"""

from __future__ import annotations

import typing as t

from .._errors import HostError

__all__ = ("KEYS", "LASTING", "Parts", "merged", "needed_keys", "taken_back")

Parts = t.Tuple[t.Dict[str, t.Any], t.Dict[str, t.Any]]  # public and secret
Values = t.Dict[str, t.Any]

# The kinds of records on which objects of the cluster depend. Kubeconfigs of users are issued at any time, and no Secret depends on them.
LASTING = ("authorities/", "credentials/")
_ENCRYPTION = "credentials/encryption-at-rest"
# By record, the value that makes two keys the same one.
KEYS = {_ENCRYPTION: "key", "credentials/service-account": "private_key", "credentials/etcd-root": "password"}
_NUMBER = "number"
_PUBLIC = (_NUMBER, "public_key")
_PHASE, _SINCE = "rotation", "everywhere_since"
_PLAIN = "plain"


def needed_keys(labels: t.Iterable[str]) -> set[int]:
    """Return the numbers of the encryption keys that Secrets have, such as secretbox:v1:key-2."""
    return {int(label.rpartition("key-")[2]) for label in labels if label != _PLAIN}


def merged(today: t.Mapping[str, Parts], history: t.Mapping[str, t.Sequence[Parts]], labels: t.Iterable[str]) -> dict[str, Parts]:
    """Return the records that change, given those of the store, those of the backup with their history, and what Secrets in it are encrypted with."""
    changed = {}
    for name, value in KEYS.items():
        if name not in today or not history.get(name):
            continue
        known = _all_values(today[name])
        then = _all_values(history[name][-1])
        if name == _ENCRYPTION:
            then = _of_secrets(known, [values for parts in reversed(history[name]) for values in _all_values(parts)], needed_keys(labels))
        added: list[Values] = []
        for values in then:
            if all(values[value] != other[value] for other in (*known, *added)):
                added.append(values)
        if added:
            changed[name] = _with(today[name], added)
    return changed


def _of_secrets(known: t.Sequence[Values], then: t.Sequence[Values], numbers: t.Collection[int]) -> list[Values]:
    """Return the keys of the backup that its Secrets need. API servers find a key by its number."""
    found: dict[int, Values] = {}
    for values in then:
        if values[_NUMBER] in numbers:
            found.setdefault(values[_NUMBER], values)
    missing = sorted(set(numbers) - set(found))
    if missing:
        raise HostError(f"{_ENCRYPTION}: found no key-{missing[0]} in the backup, expected it, because Secrets need it")
    for values in known:
        other = found.get(values[_NUMBER])
        if other and other["key"] != values["key"]:
            raise HostError(
                f"{_ENCRYPTION}: found two keys with the name key-{values[_NUMBER]}, one in the store and one in the backup, so no API server can have both. "
                "Restore the store from this backup as well: move the present one away, and run it again"
            )
    return list(found.values())


def taken_back(today: t.Mapping[str, Parts], names: t.Iterable[str]) -> list[str]:
    """Return those of the records that change whose rotation is taken back."""
    return [name for name in names if today[name][0].get(_PHASE) == "trust"]


def _with(parts: Parts, added: t.Sequence[Values]) -> Parts:
    public, secret = parts
    public = {key: value for key, value in public.items() if key != _SINCE}
    return {**public, _PHASE: "use"}, {**secret, "others": [*secret.get("others", []), *added]}


def _all_values(parts: Parts) -> list[Values]:
    """Return the key in use, and the others, in the form of the others."""
    public, secret = parts
    own = {**{key: value for key, value in secret.items() if key != "others"}, **{key: public[key] for key in _PUBLIC if key in public}}
    return [{_NUMBER: 1, **values} for values in (own, *secret.get("others", []))]

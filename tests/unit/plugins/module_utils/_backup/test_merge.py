# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a store that lives on gets from a backup: keys that the backup needs, as former ones, and nothing else."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup.merge import KEYS, merged, needed_keys, taken_back
from ansible_collections.cfcr.kubernetes.plugins.module_utils._credentials.rotation import advanced, begun
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError

KEY, ACCOUNT, ROOT = "credentials/encryption-at-rest", "credentials/service-account", "credentials/etcd-root"


def key(number, value, *others, **public):
    own = {"number": number} if number != 1 else {}
    return {"type": "key", **own, **public}, {"key": value, **({"others": list(others)} if others else {})}


def password(value, *others, **public):
    return {"type": "password", **public}, {"password": value, **({"others": list(others)} if others else {})}


def account(number, name):
    return {"type": "rsa", "public_key": f"public {name}", "number": number}, {"private_key": f"private {name}"}


def test_nothing_changes_with_the_same_keys():
    today = {KEY: key(2, "b"), ROOT: password("p"), ACCOUNT: account(1, "a")}
    assert merged(today, {name: [parts] for name, parts in today.items()}, ["secretbox:v1:key-2", "plain"]) == {}


def test_former_keys_are_accepted_and_not_used():
    today = {KEY: key(3, "c"), ROOT: password("new", number=2), ACCOUNT: account(2, "b")}
    then = {KEY: [key(1, "a"), key(2, "b")], ROOT: [password("old")], ACCOUNT: [account(1, "a")]}
    found = merged(today, then, ["secretbox:v1:key-2"])
    assert found[KEY] == ({"type": "key", "number": 3, "rotation": "use"}, {"key": "c", "others": [{"number": 2, "key": "b"}]})
    assert found[ROOT][1] == {"password": "new", "others": [{"number": 1, "password": "old"}]}
    assert found[ACCOUNT][1]["others"] == [{"number": 1, "private_key": "private a", "public_key": "public a"}]
    assert found[ACCOUNT][0]["public_key"] == "public b"
    for parts in found.values():
        public, secret = advanced(parts)
        assert (public["rotation"], "others" in secret) == ("drop", False)


def test_only_keys_that_secrets_have_are_added():
    then = {KEY: [key(1, "a"), key(2, "b"), key(3, "c", {"number": 2, "key": "b"})]}
    assert merged({KEY: key(4, "d")}, then, []) == {}
    found = merged({KEY: key(4, "d")}, then, ["secretbox:v1:key-1", "secretbox:v1:key-3"])
    assert sorted(other["key"] for other in found[KEY][1]["others"]) == ["a", "c"]


def test_an_imported_store_gets_keys_of_its_history():
    history = [key(1, "a"), key(2, "b")]
    assert merged({KEY: history[-1]}, {KEY: history}, ["secretbox:v1:key-1"])[KEY][1]["others"] == [{"number": 1, "key": "a"}]


def test_a_second_run_adds_nothing():
    today, then = {KEY: key(2, "b"), ROOT: password("new")}, {KEY: [key(1, "a")], ROOT: [password("old")]}
    once = merged(today, then, ["secretbox:v1:key-1"])
    assert set(once) == {KEY, ROOT}
    assert merged({**today, **once}, then, ["secretbox:v1:key-1"]) == {}


def test_both_passwords_of_a_backup_during_a_rotation():
    then = password("second", {"number": 1, "password": "first"}, rotation="use", number=2)
    others = merged({ROOT: password("third", number=3)}, {ROOT: [then]}, [])[ROOT][1]["others"]
    assert [other["password"] for other in others] == ["second", "first"]


def test_a_rotation_that_has_just_begun_is_taken_back():
    """Its new key is used by nobody. Without etcd, playbook rotate could not end the rotation."""
    today = key(2, "b", {"number": 3, "key": "c"}, rotation="trust", everywhere_since="2026-11-30T10:00:00Z")
    found = merged({KEY: today}, {KEY: [key(1, "a")]}, ["secretbox:v1:key-1"])
    others = [{"number": 3, "key": "c"}, {"number": 1, "key": "a"}]
    assert found == {KEY: ({"type": "key", "number": 2, "rotation": "use"}, {"key": "b", "others": others})}
    assert taken_back({KEY: today, ROOT: password("p")}, [KEY, ROOT]) == [KEY]
    assert advanced(found[KEY]) == ({"type": "key", "number": 2, "rotation": "drop"}, {"key": "b"})
    assert merged({KEY: today}, {KEY: [key(2, "b")]}, ["secretbox:v1:key-2"]) == {}


# Before a rotation, and the value that it brings.
RECORDS = {
    KEY: (key(1, "a"), lambda value: ({}, {"key": value})),
    ACCOUNT: (account(1, "a"), lambda value: ({"public_key": f"public {value}"}, {"private_key": value})),
    ROOT: (password("a"), lambda value: ({}, {"password": value})),
}


def phases(parts, new):
    """Return a record before a rotation, and in each of its phases."""
    found = [parts, begun(parts, new)]
    while "rotation" in found[-1][0]:
        found.append(advanced(found[-1]))
    return found


def values(parts, name):
    """Return all values that are accepted."""
    _public, secret = parts
    return {its[KEYS[name]] for its in (secret, *secret.get("others", []))}


@pytest.mark.parametrize("name", RECORDS)
def test_a_backup_of_any_phase_into_a_store_of_any_later_one(name):
    """All that was accepted when the backup was made is accepted after its restore, and what is in use stays in use."""
    begin, new = RECORDS[name]
    first = phases(begin, new("b"))
    second = phases(first[-1], new("c"))
    course = first + second[1:]
    for at, then in enumerate(course):
        labels = [f"secretbox:v1:key-{its.get('number', 1)}" for its in ({**then[0], **then[1]}, *then[1].get("others", []))] if name == KEY else []
        for today in course[at:]:
            found = merged({name: today}, {name: course[: at + 1]}, labels).get(name, today)
            assert values(found, name) == values(then, name) | values(today, name)
            assert found[1][KEYS[name]] == today[1][KEYS[name]]
            assert ("others" in found[1]) == (found[0].get("rotation") in ("trust", "use"))
            last = found
            while "rotation" in last[0]:
                last = advanced(last)
            assert "others" not in last[1]


def test_two_keys_with_one_name():
    with pytest.raises(HostError, match="two keys with the name key-2"):
        merged({KEY: key(2, "other")}, {KEY: [key(2, "b")]}, ["secretbox:v1:key-2"])


def test_a_key_that_nobody_has():
    with pytest.raises(HostError, match="found no key-7 in the backup"):
        merged({KEY: key(2, "b")}, {KEY: [key(2, "b")]}, ["secretbox:v1:key-7"])


def test_numbers_of_keys():
    assert needed_keys(["secretbox:v1:key-12", "plain", "secretbox:v1:key-3"]) == {3, 12}

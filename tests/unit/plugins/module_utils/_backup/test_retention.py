# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of backups, and which ones are removed from a target."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup.retention import (
    Entry, check_keep, later_than, moment_of, name_of, newest_verified, ours, to_remove,
)  # fmt: skip
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime.datetime(2026, 11, 29, 22, 15, tzinfo=datetime.timezone.utc)
KEEP = {"last": 7, "daily": 14, "weekly": 8}
YESTERDAY = "2026-11-28T22:15:00Z"


def at(hours: float) -> str:
    return name_of("prod", NOW - datetime.timedelta(hours=hours))


def newest_first(*names: str, unverified: tuple[str, ...] = ()) -> list[Entry]:
    return sorted((Entry(name, name not in unverified) for name in names), key=lambda entry: entry.name, reverse=True)


def test_names():
    assert at(0) == "prod-20261129T221500Z.cfcr"
    assert moment_of(at(0), "prod") == "2026-11-29T22:15:00Z"
    others = ["prod-20261129T221500Z.cfcr.json", "production-20261129T221500Z.cfcr", "prod-20261329T221500Z.cfcr", "prod-x.cfcr"]
    for other in [*others, "prodX20261129T221500Z.cfcr"]:
        assert moment_of(other, "prod") is None
    assert moment_of("aXb-20261129T221500Z.cfcr", "a.b") is None
    for name in ("", "../x", "a/b", "-x", "a b", "x" * 64):
        with pytest.raises(HostError, match="cluster: found"):
            name_of(name, NOW)


def test_only_files_of_the_cluster_with_their_mark_are_verified():
    mark = {"cluster": "prod", "size": 5, "verified": True}
    sizes = {at(0): 5, at(1): 6, at(2): 5, at(3): 5, "README": 1, f"{at(0)}.json": 80, "other-20261129T221500Z.cfcr": 5}
    found = ours(sizes, {at(0): mark, at(1): mark, at(2): {**mark, "cluster": "other"}}, "prod")
    assert found == [Entry(at(0), True), Entry(at(1), False), Entry(at(2), False), Entry(at(3), False)]
    assert newest_verified(found) == at(0) and newest_verified(found[1:]) is None


def test_the_last_ones_and_one_of_each_day_and_week_are_kept():
    entries = newest_first(*(at(6 * number) for number in range(4 * 100)))
    removed = to_remove(entries, KEEP, "prod", at(0), YESTERDAY)
    kept = [entry.name for entry in entries if entry.name not in removed]
    assert kept[:7] == [at(6 * number) for number in range(7)]
    days = [moment_of(name, "prod")[:10] for name in kept[4:]]
    assert len(kept) < 7 + 14 + 8
    assert set(days) >= {f"2026-11-{day:02}" for day in range(16, 29)}
    assert moment_of(kept[-1], "prod") == "2026-10-11T22:15:00Z"  # the newest of the eighth week, a Sunday


def test_fewer_are_all_kept():
    entries = newest_first(*(at(hours) for hours in range(7)))
    assert to_remove(entries, KEEP, "prod", at(0), YESTERDAY) == []


def test_the_last_verified_one_is_never_removed():
    old, one = at(5000), {"last": 1, "daily": 0, "weekly": 0}
    entries = newest_first(old, at(30), at(6000), unverified=(at(30), at(6000)))
    assert to_remove(entries, one, "prod", old, YESTERDAY) == [at(6000), at(30)]
    assert to_remove(newest_first(at(30), at(40), unverified=(at(30), at(40))), one, "prod", "", YESTERDAY) == []


def test_one_that_a_slower_run_may_still_be_writing_is_kept():
    entries = newest_first(at(0), at(1), at(23), at(25), unverified=(at(1), at(23), at(25)))
    assert to_remove(entries, {"last": 1, "daily": 0, "weekly": 0}, "prod", at(0), YESTERDAY) == [at(25)]


def test_the_one_that_was_just_made_is_kept_though_a_clock_was_ahead():
    entries = newest_first(at(-5000), at(0), at(1))
    assert to_remove(entries, {"last": 1, "daily": 1, "weekly": 1}, "prod", at(0), YESTERDAY) == [at(1)]
    names = [entry.name for entry in entries]
    assert later_than([*names, "notes", f"{at(-5000)}.json"], "prod", "2026-11-29T22:20:00Z") == [at(-5000)]
    assert later_than(names, "other", "2026-11-29T22:20:00Z") == []


def test_numbers_that_keep_nothing_are_refused():
    check_keep(KEEP)
    with pytest.raises(HostError, match="keep.last: found 0, expected 1 or more"):
        check_keep({**KEEP, "last": 0})
    with pytest.raises(HostError, match="keep.daily: found -1, expected 0 or more"):
        check_keep({**KEEP, "daily": -1})


@given(
    st.lists(st.tuples(st.integers(-2_000, 20_000), st.booleans()), unique_by=lambda pair: pair[0], max_size=60),
    st.fixed_dictionaries({"last": st.integers(1, 5), "daily": st.integers(0, 5), "weekly": st.integers(0, 5)}),
)
def test_invariants(backups, keep):
    others = [(hours, verified) for hours, verified in backups if hours]
    entries = sorted((Entry(at(hours), verified) for hours, verified in [(0, True), *others]), key=lambda entry: entry.name, reverse=True)
    removed = to_remove(entries, keep, "prod", at(0), YESTERDAY)
    left = [entry for entry in entries if entry.name not in removed]
    assert newest_verified(left) == newest_verified(entries) and Entry(at(0), True) in left
    assert [entry for entry in left if entry.verified][: keep["last"]] == [entry for entry in entries if entry.verified][: keep["last"]]
    assert set(removed) <= {entry.name for entry in entries} and removed == sorted(removed)
    assert to_remove(left, keep, "prod", at(0), YESTERDAY) == []
    unverified = {entry.name for entry in entries if not entry.verified}
    assert unverified & set(removed) == {name for name in unverified if moment_of(name, "prod") < YESTERDAY}

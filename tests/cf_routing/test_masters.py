# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which masters are silent, tested without servers."""

from __future__ import annotations

import pytest
from cf_routing.masters import SILENT_SECONDS, Silence, backend, key


@pytest.mark.parametrize("where", [("10.0.0.4", 8443), ("fd00::1", 8443)])
def test_names_of_entries(where):
    assert backend(key(where)) == where and ":" not in key(where)


def test_a_master_that_renews_its_entry_is_never_silent():
    silence = Silence()
    assert not any(silence.observe(now, {"a": str(now), "b": str(now // 2)}) for now in range(20))


def test_a_master_is_silent_after_some_seconds():
    silence = Silence()
    found = [bool(silence.observe(now, {"a": "1"})) for now in range(6)]
    assert found == [now >= SILENT_SECONDS for now in range(6)]


def test_a_new_entry_has_time():
    silence = Silence()
    for now in range(10):
        silence.observe(now, {"a": "1"})
    assert silence.observe(10, {"a": "1", "b": "1"}) == {"a": "1"}


def test_after_a_pause_nobody_is_silent():
    """The pause may have been that of etcd, and the others could not renew their entries either."""
    silence = Silence()
    silence.observe(0, {"a": "1"})
    silence.observe(1, {"a": "1"})
    assert not silence.observe(4, {"a": "1"}) and not silence.observe(5, {"a": "1"})
    assert not silence.observe(6, {"a": "1"}) and silence.observe(7, {"a": "1"}) == {"a": "1"}

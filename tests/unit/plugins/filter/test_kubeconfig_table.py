# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of issued kubeconfigs."""

from __future__ import annotations

from ansible_collections.cfcr.kubernetes.plugins.filter.kubeconfig_table import FilterModule

table = FilterModule().filters()["kubeconfig_table"]
ENTRY = {"user": "alice", "groups": ["dev", "ops"], "issued_at": "2026-11-29T09:00:00Z", "not_after": "2026-12-29T09:00:00Z", "days_left": 29}


def test_a_line_for_each_kubeconfig():
    entries = [
        {**ENTRY, "state": "valid"},
        {**ENTRY, "user": "bob", "groups": [], "days_left": -3, "state": "expired"},
        {**ENTRY, "state": "untrusted"},
        {**ENTRY, "state": "rotating"},
    ]
    assert table(entries).splitlines() == [
        "user   groups    issued                until                 left",
        "alice  dev, ops  2026-11-29T09:00:00Z  2026-12-29T09:00:00Z  29 d",
        "bob    -         2026-11-29T09:00:00Z  2026-12-29T09:00:00Z  expired",
        "alice  dev, ops  2026-11-29T09:00:00Z  2026-12-29T09:00:00Z  refused, its CA was replaced",
        "alice  dev, ops  2026-11-29T09:00:00Z  2026-12-29T09:00:00Z  29 d, until the rotation of its CA completes",
    ]


def test_nothing_was_issued():
    assert table([]) == "no kubeconfig has been issued"

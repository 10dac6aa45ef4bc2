# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Indices of hosts that come, go and move."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._credentials.hosts import with_indices

RECORDED = {
    "a": {"group": "etcd", "index": 0}, "b": {"group": "etcd", "index": 1}, "c": {"group": "etcd", "index": 2}, "m": {"group": "master", "index": 0},
}  # fmt: skip


def indices(recorded, complete=True, **groups):
    return {name: (entry["group"], entry["index"]) for name, entry in with_indices(recorded, groups, complete).items()}


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        pytest.param({"etcd": ["c", "a", "b"], "master": ["m"]}, {"a": 0, "b": 1, "c": 2, "m": 0}, id="another order"),
        pytest.param({"etcd": ["b", "c"], "master": ["m"]}, {"b": 1, "c": 2, "m": 0}, id="without the first"),
        pytest.param({"etcd": ["a", "d", "c", "e"]}, {"a": 0, "d": 1, "c": 2, "e": 3}, id="the lowest free index first"),
        pytest.param({"etcd": ["d", "e", "c"]}, {"d": 0, "e": 1, "c": 2}, id="two replaced"),
        pytest.param({"etcd": ["a", "b", "c"], "master": []}, {"a": 0, "b": 1, "c": 2}, id="an empty group"),
    ],
)
def test_hosts_keep_their_indices(groups, expected):
    found = with_indices(RECORDED, groups, complete=True)
    assert {name: entry["index"] for name, entry in found.items()} == expected
    assert with_indices(found, groups, complete=True) == found


def test_without_a_record_hosts_get_their_positions():
    assert indices({}, etcd=["z", "y"], master=["x"]) == {"z": ("etcd", 0), "y": ("etcd", 1), "x": ("master", 0)}


def test_a_host_that_moves_to_another_group_gets_an_index_there():
    assert indices(RECORDED, etcd=["a", "b"], master=["c", "m"]) == {"a": ("etcd", 0), "b": ("etcd", 1), "c": ("master", 1), "m": ("master", 0)}


def test_part_of_a_cluster_keeps_the_others_and_takes_none_of_their_indices():
    found = indices(RECORDED, complete=False, etcd=["b", "d"])
    assert found == {"a": ("etcd", 0), "b": ("etcd", 1), "c": ("etcd", 2), "d": ("etcd", 3), "m": ("master", 0)}


def test_a_host_of_two_groups_is_refused():
    with pytest.raises(HostError, match="groups: found a, b more than once, expected each host once"):
        with_indices({}, {"etcd": ["a", "b"], "master": ["a", "b"]}, complete=True)

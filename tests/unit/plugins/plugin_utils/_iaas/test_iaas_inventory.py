# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Host variables and groups of an inventory."""

from __future__ import annotations

import pytest

from ansible_collections.cfcr.kubernetes.plugins.filter.inventory_without import inventory_without
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._iaas.inventory import host_vars, inventory_groups, sizes_without

HOSTS = [
    {"name": "worker-0", "group": "worker", "address": "10.30.0.21"},
    {"name": "worker-1", "group": "worker", "address": "10.30.0.22"},
    {"name": "etcd-0", "group": "etcd", "address": "10.30.0.61"},
]


@pytest.mark.parametrize(
    ("ansible_hosts", "variables", "expected"),
    [
        (None, None, {"ansible_host": "10.30.0.61"}),
        ({"etcd-0": "10.30.0.61"}, {"ansible_become": True}, {"ansible_host": "10.30.0.61", "ansible_become": True}),
        ({"etcd-0": "203.0.113.7"}, None, {"ansible_host": "203.0.113.7", "cluster_host_address": "10.30.0.61"}),
    ],
)
def test_host_variables_tell_both_addresses_apart(ansible_hosts, variables, expected):
    assert host_vars(HOSTS[2:], ansible_hosts, variables) == {"etcd-0": expected}


def test_groups_are_sorted_and_hosts_keep_their_order():
    variables = host_vars(HOSTS)
    groups = inventory_groups(HOSTS, variables)
    assert list(groups) == ["ignored", "director", "etcd", "proxy", "worker"]
    assert groups["worker"] == {"hosts": {"worker-0": variables["worker-0"], "worker-1": variables["worker-1"]}}
    assert list(groups["worker"]["hosts"]) == ["worker-0", "worker-1"]


def test_groups_that_may_be_empty_are_there_without_hosts():
    assert inventory_groups([], {}) == {"ignored": {"hosts": {}}, "director": {"hosts": {}}, "proxy": {"hosts": {}}}


@pytest.mark.parametrize(
    ("sizes", "removed", "left"),
    [
        ({"worker": 3, "etcd": 3}, ["worker-0"], {"worker": [1, 2], "etcd": 3}),
        ({"worker": 3}, ["worker-2"], {"worker": 2}),
        ({"worker": [1, 2]}, ["worker-1"], {"worker": [2]}),
        ({"worker": [0, 2]}, ["worker-2"], {"worker": 1}),
        ({"worker": 1}, ["worker-0"], {"worker": 0}),
        ({"worker": 3}, ["etcd-0"], {"worker": 3}),
    ],
)
def test_sizes_without_hosts(sizes, removed, left):
    assert sizes_without(sizes, removed) == left


def test_an_inventory_loses_hosts_and_their_numbers_only():
    children = {"etcd": {"hosts": {"etcd-0": {}, "etcd-1": {"x": 1}}}, "proxy": {"hosts": {}}}
    inventory = {"all": {"vars": {"a": 1, "iaas_groups": {"etcd": 2}}, "children": children}}
    assert inventory_without(inventory, ["etcd-0"]) == {
        "all": {"vars": {"a": 1, "iaas_groups": {"etcd": [1]}}, "children": {"etcd": {"hosts": {"etcd-1": {"x": 1}}}, "proxy": {"hosts": {}}}}
    }

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and addresses of hosts."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.cfcr.kubernetes.plugins.filter.numbered_hosts import numbered_hosts

FIRST = {"master": 11, "worker": 21, "etcd": 61}


def test_hosts_are_numbered_from_zero():
    """Every group counts for itself and has its own range."""
    assert numbered_hosts({"worker": 2, "master": 1}, "10.30.0.0/24", FIRST) == [
        {"name": "worker-0", "group": "worker", "address": "10.30.0.21"},
        {"name": "worker-1", "group": "worker", "address": "10.30.0.22"},
        {"name": "master-0", "group": "master", "address": "10.30.0.11"},
    ]


def test_numbers_may_have_gaps():
    """A cluster without its first worker."""
    assert [host["name"] for host in numbered_hosts({"worker": [1, 2], "master": 1}, "10.30.0.0/24", FIRST)] == ["worker-1", "worker-2", "master-0"]
    assert numbered_hosts({"worker": []}, "10.30.0.0/24", FIRST) == []


@pytest.mark.parametrize(
    ("sizes", "subnet", "message"),
    [
        ({"master": [0, 10]}, "10.30.0.0/24", "found 11 hosts in group master, expected at most 10"),
        ({"master": [-1]}, "10.30.0.0/24", "or a list of the numbers of hosts, from 0 on"),
        ({"master": 11}, "10.30.0.0/24", "found 11 hosts in group master, expected at most 10, for which 10.30.0.0/24 has room"),
        ({"etcd": 3}, "10.30.0.0/26", "found 3 hosts in group etcd, expected at most 2, for which 10.30.0.0/26 has room"),
        ({"nodes": 1}, "10.30.0.0/24", "found unknown groups of hosts nodes, expected some of master, worker, etcd"),
        ({"master": 1}, "10.30.0.1/24", "subnet: 10.30.0.1/24 has host bits set"),
    ],
)
def test_a_group_that_exceeds_the_subnet_is_an_error(sizes, subnet, message):
    """A group never takes an address of the next one, nor one outside of the subnet."""
    with pytest.raises(AnsibleFilterError, match=message):
        numbered_hosts(sizes, subnet, FIRST)

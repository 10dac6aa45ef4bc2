# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses of hosts, as an inventory says them."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleLookupError
from ansible_collections.cfcr.kubernetes.plugins.lookup.addresses import LookupModule

VARIABLES = {
    "groups": {"etcd": ["etcd-1", "etcd-0"], "worker": ["worker-0"], "proxy": []},
    "hostvars": {
        "etcd-0": {"ansible_host": "10.0.0.1"},
        "etcd-1": {"ansible_host": "192.0.2.1", "cluster_host_address": "10.0.0.2"},
        "worker-0": {},
    },
}


@pytest.mark.parametrize(
    ("groups", "addresses"),
    [
        pytest.param(["etcd"], {"etcd-1": "10.0.0.2", "etcd-0": "10.0.0.1"}, id="the cluster's own address wins"),
        pytest.param(["worker", "etcd"], {"worker-0": "worker-0", "etcd-1": "10.0.0.2", "etcd-0": "10.0.0.1"}, id="several groups"),
        pytest.param(["proxy"], {}, id="no hosts"),
        pytest.param(["director"], {}, id="no such group"),
    ],
)
def test_addresses(groups, addresses):
    (found,) = LookupModule().run(groups, VARIABLES)
    assert found == addresses
    assert list(found) == list(addresses), "in the order of the inventory"


@pytest.mark.parametrize("name", ["cluster_host_address", "ansible_host"])
@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("10.0.0.1:8443\n    server x 10.9.9.9", "'10.0.0.1:844...er x 10.9.9.9'"),
        ("10.0.0.1'", "\"10.0.0.1'\""),
        ("etcd-0.example", "'etcd-0.example'"),
        ("fe80::1%x\n", r"'fe80::1%x\n'"),
        ("", "''"),
        (167772161, "'167772161'"),
        ({"a": 1}, "\"{'a': 1}\""),
    ],
)
def test_an_address_that_is_none_is_refused(name, address, found):
    variables = {"groups": {"etcd": ["a", "b"]}, "hostvars": {"a": {"ansible_host": "10.0.0.1"}, "b": {name: address}}}
    with pytest.raises(AnsibleLookupError) as error:
        LookupModule().run(["etcd"], variables)
    assert str(error.value) == f"b: {name}: found {found}, expected an IPv4 or IPv6 address"


@pytest.mark.parametrize("address", ["10.0.0.1", "fd00::1"])
def test_an_address_is_returned_as_it_is(address):
    assert LookupModule().run(["etcd"], {"groups": {"etcd": ["a"]}, "hostvars": {"a": {"ansible_host": address}}}) == [{"a": address}]


def test_hosts_that_leave_are_left_out():
    """Their lines may still be in the inventory, and group all still has them."""
    groups = {**VARIABLES["groups"], "all": ["etcd-1", "etcd-0", "worker-0"], "removed": ["etcd-1"], "ignored": ["etcd-1"]}
    (found,) = LookupModule().run(["etcd", "ignored", "all"], {**VARIABLES, "groups": groups})
    assert list(found) == ["etcd-0", "etcd-1", "worker-0"]
    (found,) = LookupModule().run(["etcd"], {**VARIABLES, "groups": groups})
    assert found == {"etcd-0": "10.0.0.1"}

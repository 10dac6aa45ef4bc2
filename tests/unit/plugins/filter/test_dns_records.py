# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records for groups, hosts and aliases."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.cfcr.kubernetes.plugins.filter.dns_records import dns_records

GROUPS = {
    "master": {"url": "https://master.cfcr.internal:8443/readyz", "hosts": {"a": "10.0.0.1", "b": "10.0.0.2"}},
    "etcd": {"port": 2379, "hosts": {"c": "10.0.0.3"}},
    "proxy": {"port": 8443, "hosts": {}},
}
UP = "{selector='all', backupSelector='all'}"
READY = f"\"ifurlup('https://master.cfcr.internal:8443/readyz', {{ {{'10.0.0.1', '10.0.0.2'}} }}, {UP})\""


def test_groups_and_hosts():
    """Hosts are numbered in the order of the inventory, and a group without hosts has no name."""
    assert dns_records(GROUPS) == [
        f"master IN LUA A {READY}",
        "master-0.master IN A 10.0.0.1",
        "master-1.master IN A 10.0.0.2",
        f"etcd IN LUA A \"ifportup(2379, {{'10.0.0.3'}}, {UP})\"",
        "etcd-0.etcd IN A 10.0.0.3",
    ]


def test_hosts_keep_their_indices():
    """Host a has been removed before. A host that the store does not know yet gets the lowest index that is free."""
    groups = {"etcd": {"port": 2379, "hosts": {"new": "10.0.0.4", "c": "10.0.0.3"}}}
    hosts = {"a": {"group": "etcd", "index": 0}, "c": {"group": "etcd", "index": 1}}
    assert dns_records(groups, hosts=hosts)[1:] == ["etcd-0.etcd IN A 10.0.0.4", "etcd-1.etcd IN A 10.0.0.3"]


@pytest.mark.parametrize(
    ("alias", "records"),
    [
        pytest.param(
            {"name": "registry", "addresses": ["10.0.0.8", "10.0.0.9"], "port": 5000},
            [f"registry IN LUA A \"ifportup(5000, {{'10.0.0.8', '10.0.0.9'}}, {UP})\""],
            id="addresses that listen",
        ),
        pytest.param({"name": "a.b", "addresses": ["10.0.0.8", "10.0.0.9"]}, ["a.b IN A 10.0.0.8", "a.b IN A 10.0.0.9"], id="addresses"),
        pytest.param({"name": "api", "group": "master"}, [f"api IN LUA A {READY}"], id="a group"),
        pytest.param({"name": "x", "group": "etcd", "port": 22}, [f"x IN LUA A \"ifportup(22, {{'10.0.0.3'}}, {UP})\""], id="a port of a group"),
        pytest.param({"name": "front", "group": "proxy"}, [], id="a group without hosts"),
    ],
)
def test_aliases(alias, records):
    assert dns_records(GROUPS, [alias])[5:] == records


@pytest.mark.parametrize(
    ("alias", "mistake"),
    [
        ({"name": "Registry", "addresses": ["10.0.0.8"]}, "Registry: expected labels of lower-case letters"),
        ({"name": "a..b", "addresses": ["10.0.0.8"]}, "a..b: expected labels of lower-case letters"),
        ({"name": f"{'a' * 64}", "addresses": ["10.0.0.8"]}, "expected labels of lower-case letters"),
        ({"name": "x\n@ IN A 1.2.3.4", "addresses": ["10.0.0.8"]}, "expected labels of lower-case letters"),
        ({"name": "master", "addresses": ["10.0.0.8"]}, "master: master and names below it are reserved for the cluster's hosts"),
        ({"name": "proxy-7.proxy", "group": "etcd"}, "proxy-7.proxy: proxy and names below it are reserved"),
        ({"name": "x", "addresses": ["10.0.0.300"]}, "x: found 10.0.0.300, expected an IPv4 address"),
        ({"name": "x", "addresses": ["example.com"]}, "x: found example.com, expected an IPv4 address"),
        ({"name": "x", "addresses": ["fd00::1"]}, "x: found fd00::1, expected an IPv4 address"),
        ({"name": "x", "addresses": ["10.0.0.8"], "port": 0}, "x: found port 0, expected 1 to 65535"),
        ({"name": "x", "addresses": ["10.0.0.8"], "port": 65536}, "x: found port 65536, expected 1 to 65535"),
        ({"name": "x"}, "x: expected either addresses or a group"),
        ({"name": "x", "addresses": ["10.0.0.8"], "group": "etcd"}, "x: expected either addresses or a group"),
        ({"name": "x", "group": "director"}, "x: found group director, expected one of master, etcd, proxy"),
    ],
)
def test_mistakes(alias, mistake):
    with pytest.raises(AnsibleFilterError, match="dns_aliases: ") as error:
        dns_records(GROUPS, [alias])
    assert mistake in str(error.value)


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("10.0.0.1'}, os.execute('x'), {'", "\"10.0.0.1'}, ...cute('x'), {'\""),
        ("10.0.0.1\n@ IN A 1.2.3.4", "'10.0.0.1\\n@ IN A 1.2.3.4'"),
        ("x" * 1000, f"'{'x' * 12}...{'x' * 13}'"),
        ("a", "'a'"),
        ("fd00::1", "'fd00::1'"),
        ("", "''"),
        (167772161, "'167772161'"),
        (None, "'None'"),
        (["10.0.0.1"], "\"['10.0.0.1']\""),
    ],
)
def test_an_address_of_a_host_that_is_none_is_not_written(address, found):
    groups = {**GROUPS, "worker": {"port": 10250, "hosts": {"d": "10.0.0.4", "e": address}}}
    with pytest.raises(AnsibleFilterError) as error:
        dns_records(groups, [{"name": "x", "group": "worker"}])
    assert str(error.value) == f"group worker, host e: found {found}, expected an IPv4 address"


def test_mistakes_of_groups_and_aliases_are_told_apart():
    groups = {"etcd": {"port": 2379, "hosts": {"c": "nowhere"}}}
    with pytest.raises(AnsibleFilterError) as error:
        dns_records(groups, [{"name": "x", "addresses": ["there"]}])
    assert str(error.value) == "group etcd, host c: found 'nowhere', expected an IPv4 address; dns_aliases: x: found there, expected an IPv4 address"


def test_all_mistakes_are_told_at_once():
    aliases = [{"name": "x", "addresses": ["10.0.0.8"]}, {"name": "x", "addresses": ["nowhere"]}]
    with pytest.raises(AnsibleFilterError, match="x: found 2 aliases of this name, expected one; x: found nowhere, expected an IPv4 address"):
        dns_records(GROUPS, aliases)

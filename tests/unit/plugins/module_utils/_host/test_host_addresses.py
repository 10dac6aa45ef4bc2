# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Source addresses, from the output of ip and from a table."""

from __future__ import annotations

from ansible_collections.cfcr.kubernetes.plugins.module_utils._host.addresses import recorded_addresses, usable
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog.host_firewall import Host, Settings, table
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog.ports import port_catalog


def interface(name, *addresses):
    return {"ifname": name, "addr_info": [{"local": address} for address in addresses]}


def test_only_addresses_that_other_hosts_see_are_usable():
    interfaces = [
        interface("lo", "127.0.0.1", "10.9.9.9"),
        interface("eth0", "10.0.0.21", "2001:db8::21", "fe80::1"),
        interface("eth1", "10.1.0.21"),
        interface("cni0", "10.200.1.1"),
        interface("flannel.1", "10.200.1.0"),
        interface("cfcr-dns", "169.254.53.1"),
        {"ifname": "eth2", "addr_info": [{"local": "2001:db8::7", "temporary": True}, {}]},
        {},
    ]
    assert usable(interfaces) == ["10.0.0.21", "10.1.0.21", "2001:db8::21"]


def test_a_table_records_its_addresses(tmp_path):
    hosts = {"etcd-0": Host(["etcd"], ["10.0.0.61", "2001:db8::61"]), "a host": Host(["worker"], ["10.0.0.21"])}
    path = tmp_path / "firewall.nft"
    path.write_text(table(port_catalog(), "etcd-0", hosts, Settings(True, "10.200.0.0/16")))
    assert recorded_addresses(path) == {"etcd-0": ["10.0.0.61", "2001:db8::61"], "a host": ["10.0.0.21"]}
    assert recorded_addresses(tmp_path / "missing") == {}

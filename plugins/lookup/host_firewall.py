# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: host_firewall
short_description: Return the nftables table that closes the ports of a host
version_added: "1.0.0"
description:
  - Returns a file for C(nft), which replaces table C(inet cfcr) of the current host in one transaction. It closes the ports of C(catalog/ports.yml)
    whose clients are only hosts and pods to all others, and SSH and the ports that only hosts use to pods.
  - The source addresses of a host are those that M(cfcr.kubernetes.host_facts) found in this run, else those that the current host recorded in an
    earlier run, and always its C(cluster_host_address).
  - It reads the variables of role P(cfcr.kubernetes.cluster#role).
author:
  - The cfcr.kubernetes maintainers (@cfcr)
options:
  _terms:
    description: The name of the host.
    type: list
    elements: str
    required: true
seealso:
  - plugin: cfcr.kubernetes.firewall
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Show the table of this host
  ansible.builtin.debug:
    msg: "{{ lookup('cfcr.kubernetes.host_firewall', inventory_hostname) }}"
"""

RETURN = r"""
_raw:
  description: The file.
  type: list
  elements: str
"""

import typing as t

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.lookup import LookupBase

from ..plugin_utils._catalog.host_firewall import Host, Settings, source_addresses, table
from ..plugin_utils._catalog.ports import HOST_GROUPS, port_catalog
from ..plugin_utils._controller.groups import staying

_SETTINGS = ("cluster_firewall", "cluster_pod_cidr", "cluster_service_cidr", "cluster_firewall_sources", "cluster_firewall_ssh_pods")


class LookupModule(LookupBase):
    """The tables of hosts."""

    def run(self, terms: list[str], variables: dict[str, t.Any], **kwargs: t.Any) -> list[str]:
        """Return the file of each host."""
        return [self._table(name, variables) for name in terms]

    def _table(self, name: str, variables: dict[str, t.Any]) -> str:
        enabled, pods, services, sources, ssh_pods = (self._templar.template(variables[setting]) for setting in _SETTINGS)
        groups = staying(variables["groups"])
        names = dict.fromkeys(host for group in HOST_GROUPS for host in groups.get(group, ()))
        all_variables = {host: variables["hostvars"][host] for host in names}
        addresses = {host: _address(host, its) for host, its in all_variables.items()}
        recorded = _facts(all_variables[name]).get("firewall_addresses", {})
        hosts = {}
        for host, its in all_variables.items():
            reported = _facts(its).get("addresses", recorded.get(host, []))
            others = {address for other, address in addresses.items() if other != host}
            found = source_addresses(addresses[host], reported, [pods, services], others)
            hosts[host] = Host([group for group in HOST_GROUPS if host in groups.get(group, ())], found, int(its.get("ansible_port") or 22))
        return table(port_catalog(), name, hosts, Settings(boolean(enabled), pods, sources, ssh_pods))


def _facts(variables: t.Mapping[str, t.Any]) -> t.Mapping[str, t.Any]:
    """Return the facts of a host; of one that has not answered, only the reason."""
    return variables.get("ansible_facts", {}).get("cfcr_host", {})


def _address(host: str, variables: t.Mapping[str, t.Any]) -> str:
    return next((str(variables[name]) for name in ("cluster_host_address", "ansible_host") if name in variables), host)

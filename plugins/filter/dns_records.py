# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the records of a PowerDNS zone from a cluster's hosts and the operator's aliases."""

from __future__ import annotations

DOCUMENTATION = r"""
name: dns_records
short_description: Make DNS records of hosts and aliases for a PowerDNS zone
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns records for the names of groups, hosts and aliases. PowerDNS answers the name of a group with its hosts that are up, or with all of
    them if none is up. All names are relative to the zone.
positional: _input, aliases, hosts
options:
  _input:
    description:
      - The groups, by name. Each has C(hosts), IPv4 addresses by host, and either a C(url), which a host that is up answers with a status of
        success, or a C(port), on which it listens. The host name in the URL is sent to every host of the group.
    type: dict
    required: true
  aliases:
    description:
      - The aliases, each with C(name) and either C(addresses) or C(group). With C(port), the answer has only addresses that listen on it.
        Without C(port), an alias of a group gets the answer of the group.
    type: list
    elements: dict
    default: []
  hosts:
    description: The hosts of the store, each with the C(index) that its name has. A host without one gets the lowest that is free in its group.
    type: dict
    default: {}
    version_added: "1.0.0"
"""

EXAMPLES = r"""
- name: Show the records
  ansible.builtin.debug:
    msg: "{{ {'etcd': {'port': 2379, 'hosts': {'etcd-0': '10.30.0.61'}}} | cfcr.kubernetes.dns_records(dns_aliases) }}"
  vars:
    dns_aliases:
      - {name: registry, addresses: [10.30.0.8, 10.30.0.9], port: 5000}
      - {name: datastore, group: etcd}
"""

RETURN = r"""
_value:
  description: The records.
  type: list
  elements: str
  sample:
    - "etcd IN LUA A \"ifportup(2379, {'10.30.0.61'}, {selector='all', backupSelector='all'})\""
    - etcd-0.etcd IN A 10.30.0.61
"""

import ipaddress
import re
import reprlib
import typing as t

from ansible.errors import AnsibleFilterError

from ..module_utils._credentials.hosts import with_indices

Groups = dict[str, dict[str, t.Any]]
Aliases = t.Sequence[dict[str, t.Any]]

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# The hosts that are up. If none is up, an answer that may be wrong is better than none.
ALL_THAT_ARE_UP = "{selector='all', backupSelector='all'}"


def dns_records(groups: Groups, aliases: Aliases = (), hosts: t.Mapping[str, t.Any] | None = None) -> list[str]:
    """Return the records of the groups, of their hosts and of the aliases."""
    mistakes = list(_mistakes_of_groups(groups))
    if of_aliases := "; ".join(_mistakes_of_aliases(groups, aliases)):
        mistakes.append(f"dns_aliases: {of_aliases}")
    if mistakes:
        raise AnsibleFilterError("; ".join(mistakes))
    indices = with_indices(hosts or {}, {name: list(group["hosts"]) for name, group in groups.items()}, complete=True)
    records = []
    for name, group in groups.items():
        addresses = list(group["hosts"].values())
        records += _records(name, addresses, group)
        records += [f"{name}-{indices[host]['index']}.{name} IN A {address}" for host, address in group["hosts"].items()]
    for alias in aliases:
        group = groups.get(alias.get("group"), {"hosts": {}})
        addresses = alias.get("addresses") or list(group["hosts"].values())
        records += _records(alias["name"], addresses, {"port": alias["port"]} if alias.get("port") else group)
    return records


def _records(name: str, addresses: list[str], check: dict[str, t.Any]) -> list[str]:
    """Return the records of one name."""
    quoted = ", ".join(f"'{address}'" for address in addresses)
    if not addresses:
        return []
    if "url" in check:
        return [f"""{name} IN LUA A "ifurlup('{check["url"]}', {{ {{{quoted}}} }}, {ALL_THAT_ARE_UP})\""""]
    if "port" in check:
        return [f"""{name} IN LUA A "ifportup({check["port"]}, {{{quoted}}}, {ALL_THAT_ARE_UP})\""""]
    return [f"{name} IN A {address}" for address in addresses]


def _mistakes_of_groups(groups: Groups) -> t.Iterator[str]:
    """Yield invalid addresses. They become Lua code that all hosts run, and a lying host may have sent them."""
    for name, group in groups.items():
        for host, address in group["hosts"].items():
            if not _is_address(address):
                yield f"group {name}, host {host}: found {reprlib.repr(str(address))}, expected an IPv4 address"


def _mistakes_of_aliases(groups: Groups, aliases: Aliases) -> t.Iterator[str]:
    """Yield mistakes in aliases, as text."""
    names = [alias["name"] for alias in aliases]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name}: found {names.count(name)} aliases of this name, expected one"
    for alias in aliases:
        name, labels = alias["name"], alias["name"].split(".")
        if not all(LABEL.fullmatch(label) for label in labels):
            yield f"{name}: expected labels of lower-case letters, digits and inner hyphens, with dots between them"
        elif labels[-1] in groups:
            yield f"{name}: {labels[-1]} and names below it are reserved for the cluster's hosts"
        if bool(alias.get("addresses")) == bool(alias.get("group")):
            yield f"{name}: expected either addresses or a group"
        if alias.get("group") and alias["group"] not in groups:
            yield f"{name}: found group {alias['group']}, expected one of {', '.join(groups)}"
        for address in alias.get("addresses") or []:
            if not _is_address(address):
                yield f"{name}: found {address}, expected an IPv4 address"
        if alias.get("port") is not None and not 0 < alias["port"] < 65536:
            yield f"{name}: found port {alias['port']}, expected 1 to 65535"


def _is_address(text: t.Any) -> bool:
    """Say whether this is the text of an IPv4 address. The module ipaddress also accepts numbers."""
    if not isinstance(text, str):
        return False
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


class FilterModule:
    """The filter of this file."""

    def filters(self):
        """Return filters by name."""
        return {"dns_records": dns_records}

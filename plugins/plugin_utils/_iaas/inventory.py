# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Host variables and groups of an inventory, made from the hosts that a provider has created."""

from __future__ import annotations

import typing as t

__all__ = ("host_vars", "inventory_groups", "sizes_without", "without_hosts")

Values = t.Mapping[str, t.Any]

# The operator fills this group; its hosts are left alone (docs/repair.md).
_IGNORED = "ignored"
# Groups that plays name, and that may have no hosts. Ansible warns of groups that do not exist.
_OPTIONAL = ("director", "proxy")


def host_vars(hosts: t.Iterable[Values], ansible_hosts: t.Mapping[str, str] | None = None, variables: Values | None = None) -> dict[str, dict[str, t.Any]]:
    """Return the variables of each host, by its name.

    A host gets cluster_host_address only if Ansible connects to another address than other hosts do; the variable defaults to ansible_host.
    """
    result = {}
    for host in hosts:
        address = host["address"]
        ansible_host = (ansible_hosts or {}).get(host["name"], address)
        own = {"cluster_host_address": address} if ansible_host != address else {}
        result[host["name"]] = {"ansible_host": ansible_host, **own, **(variables or {})}
    return result


def inventory_groups(hosts: t.Iterable[Values], variables: t.Mapping[str, Values]) -> dict[str, dict[str, t.Any]]:
    """Return the groups with the variables of each host, for the key `children` of an inventory."""
    hosts = list(hosts)
    names = sorted({*_OPTIONAL, *(host["group"] for host in hosts)})
    groups: dict[str, dict[str, t.Any]] = {name: {"hosts": {}} for name in (_IGNORED, *names)}
    for host in hosts:
        groups[host["group"]]["hosts"][host["name"]] = variables[host["name"]]
    return groups


def sizes_without(sizes: t.Mapping[str, int | t.Sequence[int]], removed: t.Collection[str]) -> dict[str, int | list[int]]:
    """Return the numbers of hosts by group without these hosts: a size again, if the numbers from 0 on are left, else their list."""
    result: dict[str, int | list[int]] = {}
    for group, size in sizes.items():
        numbers = [number for number in (range(size) if isinstance(size, int) else size) if f"{group}-{number}" not in removed]
        result[group] = len(numbers) if numbers == list(range(len(numbers))) else numbers
    return result


def without_hosts(inventory: Values, removed: t.Collection[str], variables: Values) -> dict[str, t.Any]:
    """Return an inventory as inventory_groups makes it, without these hosts and with further variables for all."""
    root = inventory["all"]
    children = {
        group: {**content, "hosts": {name: its for name, its in (content.get("hosts") or {}).items() if name not in removed}}
        for group, content in root["children"].items()
    }
    return {**inventory, "all": {**root, "vars": {**root.get("vars", {}), **variables}, "children": children}}

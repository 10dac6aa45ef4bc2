# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: play_hosts
short_description: Return the pattern of hosts of a play, if the run has such hosts
version_added: "1.0.0"
description:
  - Ansible skips a play without hosts and ends successfully, also if C(--limit) leaves none. This lookup is for C(hosts) of a play, and fails there.
author:
  - The cfcr.kubernetes maintainers (@cfcr)
options:
  _terms:
    description: The pattern.
    type: list
    elements: str
    required: true
  needs:
    description: Patterns that must each have a host within C(--limit). By default, that of the play.
    type: list
    elements: str
"""

EXAMPLES = r"""
# As the hosts of a play, it fails before the play would be skipped.
- name: Show the pattern
  ansible.builtin.debug:
    msg: "{{ lookup('cfcr.kubernetes.play_hosts', 'etcd[0]') }}"
"""

RETURN = r"""
_raw:
  description: The pattern.
  type: list
  elements: str
  sample: ["etcd[0]"]
"""

import typing as t

from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.inventory.manager import InventoryManager
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    """The hosts of a play."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        """Return the pattern, or fail if the run has no host that it matches."""
        if context.CLIARGS.get("syntax"):  # without an inventory
            return list(terms)
        variables = variables or {}
        self.set_options(var_options=variables, direct=kwargs)
        limit = variables.get("ansible_limit")
        inventory = _inventory(self._loader, variables.get("groups", {}), limit)
        for pattern in self.get_option("needs") or terms:
            if not inventory.get_hosts(pattern):
                raise AnsibleLookupError(_message(pattern, limit))
        return list(terms)


def _inventory(loader: t.Any, groups: t.Mapping[str, t.Sequence[str]], limit: str | None) -> InventoryManager:
    """Return an inventory with these groups and the limit. Lookups cannot use that of the run."""
    inventory = InventoryManager(loader, parse=False)
    for group, hosts in groups.items():
        inventory.add_group(group)
        for host in hosts:
            inventory.add_host(host, group)
    inventory.subset(limit)
    return inventory


def _message(pattern: str, limit: str | None) -> str:
    """Return why the run ends."""
    needed = "localhost, the controller," if pattern == "localhost" else f"a host of {pattern}"
    if limit:
        return f"--limit: found {limit}, which leaves nothing to do, expected {needed} within the limit: add it, or run without --limit"
    return f"inventory: found no host of {pattern}, expected at least one"

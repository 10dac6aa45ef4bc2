# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Show the kubeconfigs that were issued to users."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kubeconfig_table
short_description: Show the kubeconfigs that were issued to users
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns the list of module M(cfcr.kubernetes.kubeconfig_info) as a table for a terminal.
options:
  _input:
    description: The list.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the kubeconfigs of users
  ansible.builtin.debug:
    msg: "{{ issued.kubeconfigs | cfcr.kubernetes.kubeconfig_table }}"
"""

RETURN = r"""
_value:
  description: The table.
  type: str
"""

from ..plugin_utils._instances.table import aligned

_ENDS = {"expired": "expired", "untrusted": "refused, its CA was replaced"}
_NOTES = {"rotating": ", until the rotation of its CA completes"}


def kubeconfig_table(kubeconfigs):
    """Return the list as text."""
    rows = [
        {
            "user": entry["user"],
            "groups": ", ".join(entry["groups"]) or "-",
            "issued": entry["issued_at"],
            "until": entry["not_after"],
            "left": _ENDS.get(entry["state"]) or f"{entry['days_left']} d{_NOTES.get(entry['state'], '')}",
        }
        for entry in kubeconfigs
    ]
    return "\n".join(aligned(rows)) if rows else "no kubeconfig has been issued"


class FilterModule:
    """The filter of this file."""

    def filters(self):
        """Return filters by name."""
        return {"kubeconfig_table": kubeconfig_table}

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_plan
short_description: Compare lists of objects with those of AWX
version_added: "1.0.0"
description:
  - Returns which objects of the lists are created or updated, which are removed, and which are not ours. Part of role P(cfcr.kubernetes.awx#role).
  - An object of ours has a description that ends with C((cfcr.kubernetes)). Others with a name from the lists are neither changed nor removed.
author:
  - The cfcr.kubernetes maintainers (@cfcr)
positional: _input, found
options:
  _input:
    description: Dictionaries of lists, such as C(job_templates). Fields of a later entry replace those of an earlier one with the same name.
    type: list
    elements: dict
    required: true
  found:
    description: The objects of AWX by the name of their list. C(nodes) are those of workflows, C(custom_credentials) those of custom types.
    type: dict
    required: true
  state:
    description: Whether the objects are created or removed.
    type: str
    choices: [present, absent]
    default: present
  organization:
    description: Name of the organization, if the lists have none.
    type: str
    default: ""
  update_secrets:
    description: Whether to send the secrets of credentials that exist.
    type: bool
    default: false
  check:
    description: Whether this is check mode, in which objects that depend on missing ones cannot be compared.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show the objects that are not ours
  ansible.builtin.debug:
    msg: "{{ ([{'labels': [{'name': 'kubernetes'}]}] | cfcr.kubernetes.awx_plan({})).foreign }}"
"""

RETURN = r"""
_value:
  description: >-
    C(problems) with the lists, and if there are none, C(present) and C(remove) by list, C(nodes), C(links) and C(stale_nodes) of workflows, C(grants) of
    teams, and texts about what is C(pending) in check mode, C(foreign), or C(kept) by a removal.
  type: dict
"""

from ..plugin_utils._awx.plan import merge, plan


def awx_plan(lists, found, state="present", organization="", update_secrets=False, check=False):
    """Return the plan."""
    return plan(merge(lists), found, {"state": state, "organization": organization, "update_secrets": update_secrets, "check": check})


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict:
        """Return filters by name."""
        return {"awx_plan": awx_plan}

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Return the credentials of registries for the store."""

from __future__ import annotations

DOCUMENTATION = r"""
name: registry_credentials
short_description: Return the credentials of registries for the store
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns an entry for each registry with a user name, as M(cfcr.kubernetes.credential) expects it.
options:
  _input:
    description: The registries, as O(cfcr.kubernetes.cluster#role:contract:cluster_registries) describes them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the names of the credentials
  ansible.builtin.debug:
    msg: "{{ cluster_registries | cfcr.kubernetes.registry_credentials | map(attribute='name') }}"
"""

RETURN = r"""
_value:
  description: Options of M(cfcr.kubernetes.credential).
  type: list
  elements: dict
"""

from ..plugin_utils._registries.registries import credentials


class FilterModule:
    """The filter of this file."""

    def filters(self):
        """Return filters by name."""
        return {"registry_credentials": credentials}

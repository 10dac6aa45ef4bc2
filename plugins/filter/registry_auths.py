# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Return kubelet's file with the credentials of registries."""

from __future__ import annotations

DOCUMENTATION = r"""
name: registry_auths
short_description: Return kubelet's file with the credentials of registries
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns the credentials in the format of Docker's C(config.json).
positional: _input, stored
options:
  _input:
    description: The registries, as O(cfcr.kubernetes.cluster#role:contract:cluster_registries) describes them.
    type: list
    elements: dict
    required: true
  stored:
    description: The store's credentials by name, as M(cfcr.kubernetes.credential) returns them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show that no registry needs a password
  ansible.builtin.debug:
    msg: "{{ cluster_registries | cfcr.kubernetes.registry_auths({}) }}"
"""

RETURN = r"""
_value:
  description: The content of the file.
  type: str
"""

from ..plugin_utils._registries.registries import kubelet_file


class FilterModule:
    """The filter of this file."""

    def filters(self):
        """Return filters by name."""
        return {"registry_auths": kubelet_file}

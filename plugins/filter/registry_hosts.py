# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Return containerd's files about registries."""

from __future__ import annotations

DOCUMENTATION = r"""
name: registry_hosts
short_description: Return containerd's files about registries
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns C(hosts.toml) and the CA of each registry as files for M(cfcr.kubernetes.job).
positional: _input, directory, stored
options:
  _input:
    description: The registries, as O(cfcr.kubernetes.cluster#role:contract:cluster_registries) describes them.
    type: list
    elements: dict
    required: true
  directory:
    description: The directory that is the C(config_path) of containerd.
    type: path
    required: true
  stored:
    description: The store's credentials by name, as M(cfcr.kubernetes.credential) returns them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the paths of the files
  ansible.builtin.debug:
    msg: "{{ (cluster_registries | cfcr.kubernetes.registry_hosts('/etc/containerd/registries', {})).files | map(attribute='path') }}"
"""

RETURN = r"""
_value:
  description: C(files) and C(secrets), as M(cfcr.kubernetes.job) expects them. A file with the password of a mirror is secret.
  type: dict
"""

from ..plugin_utils._registries.registries import containerd_files


class FilterModule:
    """The filter of this file."""

    def filters(self):
        """Return filters by name."""
        return {"registry_hosts": containerd_files}

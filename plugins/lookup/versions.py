# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: versions
short_description: Return the versions of a release
description:
  - Returns the version of each project that a release of Kubernetes is installed with, from its catalog.
version_added: "1.0.0"
author:
  - The cfcr.kubernetes maintainers (@cfcr)
options:
  kubernetes_version:
    description:
      - A minor version of Kubernetes, quoted, such as V(1.36), or a patch that its catalog lists.
      - Or the versions of a cluster, as P(cfcr.kubernetes.versions#lookup) returns them.
    type: raw
    required: true
    vars:
      - name: cluster_kubernetes_version
      - name: cluster_release
seealso:
  - module: cfcr.kubernetes.credential
"""

EXAMPLES = r"""
- name: Show the version of etcd
  ansible.builtin.debug:
    msg: "{{ lookup('cfcr.kubernetes.versions', kubernetes_version='1.36').etcd }}"
"""

RETURN = r"""
_raw:
  description: One element, the versions by project, so that C(lookup) returns them. C(catalog) is the minor version.
  type: list
  elements: dict
  sample: [{catalog: "1.36", kubernetes: 1.36.3, etcd: 3.6.16}]
"""

import typing as t

from ..plugin_utils._catalog.catalog import record
from ..plugin_utils._controller.lookup import CatalogLookup


class LookupModule(CatalogLookup):
    """Versions of a release."""

    def answer(self, catalog: dict[str, t.Any], names: list[str]) -> dict[str, str]:
        """Return the versions."""
        return record(catalog["versions"])

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: builds
short_description: Return the builds of a mirror
description:
  - Returns the option C(builds) of the module M(cfcr.kubernetes.artifact_build). It has the content of C(go.mod) and C(go.sum) of each
    project, the flags, and the resulting files of the mirror.
version_added: "0.9.0"
author:
  - The cfcr.kubernetes maintainers (@cfcr)
options:
  _terms:
    description: Names of builds. All builds if it is empty.
    type: list
    elements: str
  kubernetes_version:
    description: Minor version of Kubernetes, quoted. It names the file of the catalog.
    type: str
    required: true
    vars:
      - name: cluster_kubernetes_version
seealso:
  - module: cfcr.kubernetes.artifact_build
"""

EXAMPLES = r"""
- name: Build etcd
  cfcr.kubernetes.artifact_build:
    directory: /var/cache/cfcr/artifacts
    builds: "{{ lookup('cfcr.kubernetes.builds', 'etcd') }}"
"""

RETURN = r"""
_raw:
  description: One element, the list of builds, so that C(lookup) returns that list.
  type: list
  elements: list
"""

import typing as t

from ..plugin_utils._catalog.catalog import builds
from ..plugin_utils._controller.lookup import CatalogLookup


class LookupModule(CatalogLookup):
    """Builds of a mirror."""

    def answer(self, catalog: dict[str, t.Any], names: list[str]) -> list[dict[str, t.Any]]:
        """Return the builds."""
        return builds(catalog, names or catalog["builds"])

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
    description:
      - A minor version of Kubernetes, quoted, such as V(1.36), or a patch that its catalog lists.
      - Or the versions of a cluster, as P(cfcr.kubernetes.versions#lookup) returns them.
    type: raw
    required: true
    vars:
      - name: cluster_kubernetes_version
      - name: cluster_release
  releases:
    description: Several of what O(kubernetes_version) may be, in its place. A build that they share is returned once.
    type: list
    elements: raw
    default: []
    version_added: "1.0.0"
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

from ..plugin_utils._catalog.catalog import builds, load
from ..plugin_utils._controller.lookup import CatalogLookup


class LookupModule(CatalogLookup):
    """Builds of a mirror."""

    def answer(self, catalog: dict[str, t.Any], names: list[str]) -> list[dict[str, t.Any]]:
        """Return the builds."""
        catalogs = [load(release) for release in self.get_option("releases")] or [catalog]
        found = [build for catalog in catalogs for build in builds(catalog, names or catalog["builds"])]
        return list({(build["name"], build["version"]): build for build in found}.values())

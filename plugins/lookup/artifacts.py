# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: artifacts
short_description: Return the release files of components
description:
  - Returns the artifacts that module M(cfcr.kubernetes.job) takes, from the catalog of the cluster's version of Kubernetes.
version_added: "0.9.0"
author:
  - The cfcr.kubernetes maintainers (@cfcr)
extends_documentation_fragment:
  - cfcr.kubernetes._artifact_source
options:
  _terms:
    description: Names of components.
    type: list
    elements: str
    required: true
seealso:
  - plugin: cfcr.kubernetes.images
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Install kubectl
  cfcr.kubernetes.job:
    name: kubectl
    artifacts: "{{ lookup('cfcr.kubernetes.artifacts', 'kubectl') }}"
"""

RETURN = r"""
_raw:
  description:
    - One element, the list of artifacts, so that C(lookup) returns that list.
    - Each has O(ignore:component), O(ignore:version), and by architecture C(url), C(sha256) or C(checksum_url), and C(files).
    - C(files) has the member of the archive by program. An empty member means that the download is the program.
  type: list
  elements: list
"""

import typing as t

from ..plugin_utils._catalog.catalog import artifacts
from ..plugin_utils._controller.lookup import CatalogLookup


class LookupModule(CatalogLookup):
    """Release files of components."""

    def answer(self, catalog: dict[str, t.Any], names: list[str]) -> list[dict[str, t.Any]]:
        """Return the components."""
        return artifacts(catalog, names, self.source())

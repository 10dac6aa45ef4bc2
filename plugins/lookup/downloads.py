# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: downloads
short_description: Return the files of a mirror
description:
  - Returns all release files and image archives of releases, for option C(files) of M(cfcr.kubernetes.artifact_download) and
    M(cfcr.kubernetes.bundle).
version_added: "1.0.0"
author:
  - The cfcr.kubernetes maintainers (@cfcr)
extends_documentation_fragment:
  - cfcr.kubernetes._artifact_source
options:
  releases:
    description: Several of what O(kubernetes_version) may be, in its place. A file that they share is returned once.
    type: list
    elements: raw
    default: []
  architectures:
    description: Architectures of the hosts.
    type: list
    elements: str
    default: [amd64]
seealso:
  - plugin: cfcr.kubernetes.artifacts
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Download the files of a mirror
  cfcr.kubernetes.artifact_download:
    directory: /srv/mirror
    files: "{{ lookup('cfcr.kubernetes.downloads', architectures=['amd64', 'arm64']) }}"
"""

RETURN = r"""
_raw:
  description:
    - One element, the list of files, so that C(lookup) returns that list.
    - Each has C(path) below the mirror, C(url) at its project, C(licence), C(purpose), C(architecture), and C(origin), where the source has it.
  type: list
  elements: list
"""

import typing as t

from ..plugin_utils._catalog.catalog import downloads, load
from ..plugin_utils._controller.lookup import CatalogLookup


class LookupModule(CatalogLookup):
    """Files of a mirror."""

    def answer(self, catalog: dict[str, t.Any], names: list[str]) -> list[dict[str, t.Any]]:
        """Return the files."""
        catalogs = [load(release) for release in self.get_option("releases")] or [catalog]
        found = [download for catalog in catalogs for download in downloads(catalog, self.source(), self.get_option("architectures"))]
        return list({download["path"]: download for download in found}.values())

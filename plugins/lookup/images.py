# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: images
short_description: Return the container images of a cluster
description:
  - Returns the references of images and, unless hosts pull them from a registry, the archives that hosts import.
version_added: "0.9.0"
author:
  - The cfcr.kubernetes maintainers (@cfcr)
extends_documentation_fragment:
  - cfcr.kubernetes._artifact_source
options:
  _terms:
    description: Names of images.
    type: list
    elements: str
    required: true
seealso:
  - plugin: cfcr.kubernetes.artifacts
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Show the reference of the image of CoreDNS
  ansible.builtin.debug:
    msg: "{{ lookup('cfcr.kubernetes.images', 'coredns')[0].reference }}"
"""

RETURN = r"""
_raw:
  description:
    - One element, the list of images, so that C(lookup) returns that list.
    - Each has C(name), C(reference) and C(archive). The archive has, by architecture, C(url) and either C(sha256) or C(checksum_url). It is null
      if hosts pull the image from its registry.
  type: list
  elements: list
"""

import typing as t

from ..plugin_utils._catalog.catalog import images
from ..plugin_utils._controller.lookup import CatalogLookup


class LookupModule(CatalogLookup):
    """Container images of a cluster."""

    def answer(self, catalog: dict[str, t.Any], names: list[str]) -> list[dict[str, t.Any]]:
        """Return the images."""
        return images(catalog, names, self.source())

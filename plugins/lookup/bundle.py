# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: bundle
short_description: Return the files of a bundle that a host needs
description:
  - Verifies the signature of an unpacked bundle, and returns the files that a host of some groups needs.
version_added: "1.0.0"
author:
  - The cfcr.kubernetes maintainers (@cfcr)
extends_documentation_fragment:
  - cfcr.kubernetes._artifact_source
options:
  groups:
    description: Groups of the host, such as V(worker).
    type: list
    elements: str
    required: true
  host:
    description: C(ansible_facts.cfcr_host) of the host, as M(cfcr.kubernetes.host_facts) returns it.
    type: dict
    required: true
  releases:
    description: Several of what O(kubernetes_version) may be, in its place.
    type: list
    elements: raw
    default: []
  wheels:
    description: Whether the host needs wheels for its Python.
    type: bool
    default: false
seealso:
  - module: cfcr.kubernetes.bundle_files
"""

EXAMPLES = r"""
- name: Copy the host's part of the bundle
  cfcr.kubernetes.bundle_files:
    source: "{{ cluster_bundle }}"
    files: "{{ lookup('cfcr.kubernetes.bundle', groups=group_names, host=ansible_facts.cfcr_host) }}"
"""

RETURN = r"""
_raw:
  description: One element, the SHA-256 of each file by its path.
  type: list
  elements: dict
"""

import typing as t

from ..plugin_utils._bundle.opened import CODENAMES, needed
from ..plugin_utils._catalog.catalog import load
from ..plugin_utils._controller.lookup import CatalogLookup


class LookupModule(CatalogLookup):
    """Files of a bundle."""

    def answer(self, catalog: dict[str, t.Any], names: list[str]) -> dict[str, str]:
        """Return the files."""
        host, lock = self.get_option("host"), self.bundle()
        codename = CODENAMES.get((host["operating_system"], host["operating_system_version"]), "")
        parts = (self.get_option("groups"), host["architecture"], codename, host["python_version"] if self.get_option("wheels") else "")
        found: dict[str, str] = {}
        for its in [load(release) for release in self.get_option("releases")] or [catalog]:
            found.update(needed(lock, its, *parts))
        return found

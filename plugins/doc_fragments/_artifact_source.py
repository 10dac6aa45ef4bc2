# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the lookups that say where hosts download from."""

from __future__ import annotations


class ModuleDocFragment:
    """The cluster_artifact_* variables, as options."""

    DOCUMENTATION = r"""
options:
  kubernetes_version:
    description: Minor version of Kubernetes, quoted; names the file of the catalog.
    type: str
    required: true
    vars:
      - name: cluster_kubernetes_version
  source:
    description: Where the hosts download from, V(upstream), V(mirror) or V(build).
    type: str
    default: upstream
    vars:
      - name: cluster_artifact_source
  mirror:
    description: Base URL of the mirror, where O(source) is not V(upstream).
    type: str
    default: ""
    vars:
      - name: cluster_artifact_mirror
  checksums:
    description:
      - SHA-256 of the mirror's files by their path below O(mirror).
      - A file that is not in it is verified against C(SHA256SUMS) of a mirror over https, and refused from one over http.
    type: dict
    default: {}
    vars:
      - name: cluster_artifact_checksums
"""

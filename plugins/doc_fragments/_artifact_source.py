# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the lookups for the source of downloads."""

from __future__ import annotations


class ModuleDocFragment:
    """The cluster_artifact_* variables, as options."""

    DOCUMENTATION = r"""
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
  source:
    description: Source of the hosts' downloads, V(upstream), V(mirror), V(build) or V(bundle).
    type: str
    default: upstream
    vars:
      - name: cluster_artifact_source
  mirror:
    description: Base URL of the mirror. Required if O(source) is V(mirror) or V(build).
    type: str
    default: ""
    vars:
      - name: cluster_artifact_mirror
  checksums:
    description:
      - SHA-256 of downloads, by their path below O(mirror). They hold for every O(source).
      - Other files of a mirror are verified against its C(SHA256SUMS) over https; over http they are an error. Other files of V(upstream) are
        verified against the pins of the catalog, or the checksum file that their project publishes.
    type: dict
    default: {}
    vars:
      - name: cluster_artifact_checksums
  bundle:
    description: Directory of an unpacked bundle on the controller. Required if O(source) is V(bundle).
    type: path
    default: ""
    vars:
      - name: cluster_bundle
    version_added: "1.0.0"
  signers:
    description: Public SSH keys, one of which must have signed the bundle.
    type: list
    elements: str
    default: []
    vars:
      - name: cluster_bundle_signers
    version_added: "1.0.0"
"""

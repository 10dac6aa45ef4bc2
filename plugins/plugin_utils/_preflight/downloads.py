# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rule for the downloads of the hosts: if pins are required, each has one."""

from __future__ import annotations

import typing as t

from .._catalog.catalog import CatalogError, Source, Versions, load, unpinned
from .problems import Problem

__all__ = ("check_downloads",)


def check_downloads(values: t.Mapping[str, t.Any], versions: Versions, architectures: t.Collection[str]) -> list[Problem]:
    """Return a problem for every download of these versions without a pin that hosts of these architectures may need."""
    # Files that the director compiles get their checksums from this run, and a bundle has those of all its files.
    if not values["cluster_require_pins"] or values["cluster_artifact_source"] in ("build", "bundle"):
        return []
    source = Source(values["cluster_artifact_source"], values["cluster_artifact_mirror"], values["cluster_artifact_checksums"])
    try:
        downloads = unpinned(load(versions), source, architectures)
    except CatalogError as error:
        return [Problem("cluster_require_pins", str(error), "a pin for every download")]
    return [
        Problem("cluster_require_pins", f"no pin for {download}", f"its SHA-256 in cluster_artifact_checksums, {download.path}") for download in downloads
    ]

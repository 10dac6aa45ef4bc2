# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rule for versions: those of a cluster change by playbook update only, host by host."""

from __future__ import annotations

import typing as t

from .._catalog.catalog import Versions, installed, releases, resolve
from .._update.plan import minor
from .problems import Problem

__all__ = ("check_versions", "check_workers", "versions_of_cluster")

# Pods run on these components. Of another minor, they need a drain.
_BELOW_PODS = {"kubelet": "kubernetes", "containerd": "containerd"}


def versions_of_cluster(wanted: str, recorded: Versions, hosts: t.Iterable[Versions], silent: t.Sequence[str]) -> Versions:
    """Return the versions of the record, or those that the hosts have if there is none yet.

    The hosts have the version of each component; of the silent ones they are not known. Raise a CatalogError if there are no versions.
    """
    return resolve(recorded) if recorded else installed(wanted, hosts, silent)


def check_versions(wanted: str, cluster: Versions) -> t.Iterator[Problem]:
    """Check that a run would not change the versions of a cluster."""
    versions = resolve(wanted)
    differing = [project for project, version in versions.items() if version != cluster[project]]
    if differing:
        same = next((release for release, its in releases().items() if its == cluster), None)
        kept = f", and cluster_kubernetes_version {same} keeps them" if same else ""
        expected = f"the versions of the cluster, {_shown(cluster, differing)}: playbook update changes them{kept}"
        yield Problem("cluster_kubernetes_version", f"{wanted}, which has {_shown(versions, differing)}", expected)


def check_workers(workers: t.Mapping[str, Versions], cluster: Versions) -> t.Iterator[Problem]:
    """Check that a run would not change minors below running pods, as on a worker that was away during an update. A new one has no components yet."""
    for name, its in workers.items():
        for component, project in _BELOW_PODS.items():
            before, after = its.get(component), cluster[project]
            if before and minor(before) != minor(after):
                yield Problem(name, f"{component} {before}", f"{after}: playbook update drains the worker first")


def _shown(versions: Versions, projects: t.Iterable[str]) -> str:
    return ", ".join(f"{project} {versions[project]}" for project in projects)

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The jobs that site.yml installs on a host, by its group and the topology of the cluster."""

from __future__ import annotations

__all__ = ("GROUPS", "TOPOLOGIES", "jobs_of")

GROUPS = {
    "etcd": ("dns", "firewall", "etcd"),
    "master": ("dns", "firewall", "flannel", "master"),
    "worker": ("dns", "firewall", "flannel", "containerd", "kubelet", "kube-proxy"),
    "proxy": ("dns", "firewall", "flannel", "kube-proxy", "proxy"),
}
# Further jobs by topology and group.
TOPOLOGIES = {"cf_routing": {"master": ("cf-api-registrar", "cf-route-sync")}}


def jobs_of(group: str, topology: str) -> tuple[str, ...]:
    """Return the names of the jobs that a host of this group must have."""
    return (*GROUPS.get(group, ()), *TOPOLOGIES.get(topology, {}).get(group, ()))

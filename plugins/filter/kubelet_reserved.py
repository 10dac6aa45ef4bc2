# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Return the resources that a kubelet keeps free of pods."""

from __future__ import annotations

import typing as t

DOCUMENTATION = r"""
name: kubelet_reserved
short_description: Return the resources that a kubelet keeps free of pods
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns the fields C(kubeReserved) and C(systemReserved) of a KubeletConfiguration for a host of a given size, so that pods cannot take what the
    kubelet, the container runtime and the services of the host need.
  - The share decreases with the size of the host. For Kubernetes, it is 25 % of the first 4 GiB of memory, 20 % of the next 4, 10 % of the next 8, 6 %
    of the next 112 and 2 % of the rest; and 6 % of the first processor, 1 % of the second, 0.5 % of the next two and 0.25 % of the others.
positional: _input, overrides
options:
  _input:
    description: The RV(cfcr.kubernetes.host_facts#module:ansible_facts.cfcr_host) of the host.
    type: dict
    required: true
  overrides:
    description: Resources by part, C(kube) or C(system), which replace the calculated ones.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show what the kubelet reserves
  ansible.builtin.debug:
    msg: "{{ ansible_facts['cfcr_host'] | cfcr.kubernetes.kubelet_reserved({'kube': {'memory': '1Gi'}}) }}"
"""

RETURN = r"""
_value:
  description: The two fields.
  type: dict
  sample:
    kubeReserved: {cpu: 70m, memory: 960Mi, ephemeral-storage: 1024Mi, pid: "1500"}
    systemReserved: {cpu: 50m, memory: 192Mi, ephemeral-storage: 1024Mi, pid: "500"}
"""

# The share that is reserved of each part of a resource, as (size of the part, share); the last part has no end.
_MEMORY = ((4096, 0.25), (4096, 0.2), (8192, 0.1), (114688, 0.06), (float("inf"), 0.02))  # MiB
_PROCESSORS = ((1, 0.06), (1, 0.01), (2, 0.005), (float("inf"), 0.0025))
_STEP = 256  # MiB: a new kernel changes the size of the memory a little, and the kubelet would restart for nothing
_DISK = 20480  # MiB, if the size of the disk is not known


def kubelet_reserved(host: t.Mapping[str, t.Any], overrides: t.Mapping[str, t.Any] | None = None) -> dict[str, dict[str, str]]:
    """Return the fields of the configuration."""
    memory = max(_STEP, round(host["memory_mib"] / _STEP) * _STEP)
    disk = host["disks"].get("/var/lib", {}).get("total_mib", _DISK)
    storage = f"{max(_STEP, min(4096, disk // 20 // _STEP * _STEP))}Mi"
    parts = {
        "kube": {
            "cpu": f"{_sum(host['processors'], _PROCESSORS) * 1000:.0f}m",
            "memory": f"{_sum(memory, _MEMORY) // 16 * 16:.0f}Mi",
            "ephemeral-storage": storage,
            "pid": "1500",
        },
        "system": {"cpu": "50m", "memory": f"{max(64, min(256, memory // 20 // 16 * 16))}Mi", "ephemeral-storage": storage, "pid": "500"},
    }
    return {f"{part}Reserved": {**values, **_texts((overrides or {}).get(part) or {})} for part, values in parts.items()}


def _texts(resources: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Return the resources that are set, as the kubelet reads them."""
    return {name: str(value) for name, value in resources.items() if value is not None}


def _sum(size: float, parts: t.Iterable[tuple[float, float]]) -> float:
    """Return the reserved part of a resource."""
    total = 0.0
    for length, share in parts:
        total += min(size, length) * share
        size = max(0, size - length)
    return total


class FilterModule:
    """The filter of this file."""

    def filters(self):
        """Return filters by name."""
        return {"kubelet_reserved": kubelet_reserved}

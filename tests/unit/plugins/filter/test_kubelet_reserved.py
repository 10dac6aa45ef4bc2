# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a kubelet keeps free of pods, by the size of the host."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.filter.kubelet_reserved import FilterModule

reserved = FilterModule().filters()["kubelet_reserved"]


def host(memory=4096, processors=2, disk=40960):
    return {"memory_mib": memory, "processors": processors, "disks": {"/var/lib": {"total_mib": disk, "free_mib": 0, "restrictions": []}}}


@pytest.mark.parametrize(
    ("memory", "kube", "system"),
    [
        (900, "256Mi", "64Mi"),
        (3912, "960Mi", "192Mi"),
        (8192, "1840Mi", "256Mi"),
        (16384, "2656Mi", "256Mi"),
        (65536, "5600Mi", "256Mi"),
        (262144, "12160Mi", "256Mi"),
    ],
)
def test_memory(memory, kube, system):
    found = reserved(host(memory=memory))
    assert (found["kubeReserved"]["memory"], found["systemReserved"]["memory"]) == (kube, system)


@pytest.mark.parametrize(("processors", "cpu"), [(1, "60m"), (2, "70m"), (4, "80m"), (8, "90m"), (64, "230m")])
def test_processors(processors, cpu):
    assert reserved(host(processors=processors))["kubeReserved"]["cpu"] == cpu


@pytest.mark.parametrize(("disk", "storage"), [(2048, "256Mi"), (20480, "1024Mi"), (40960, "2048Mi"), (1 << 20, "4096Mi")])
def test_disk(disk, storage):
    found = reserved(host(disk=disk))
    assert found["kubeReserved"]["ephemeral-storage"] == found["systemReserved"]["ephemeral-storage"] == storage


def test_a_disk_that_was_not_measured():
    assert reserved({**host(), "disks": {}})["kubeReserved"]["ephemeral-storage"] == "1024Mi"


def test_a_little_more_memory_changes_nothing():
    assert reserved(host(memory=3900)) == reserved(host(memory=3931))


def test_what_is_set_wins_and_is_text_as_the_kubelet_wants_it():
    found = reserved(host(), {"kube": {"pid": 3000, "memory": "2Gi", "cpu": None}, "system": None})
    assert found["kubeReserved"] == {"cpu": "70m", "memory": "2Gi", "ephemeral-storage": "2048Mi", "pid": "3000"}
    assert found["systemReserved"] == reserved(host())["systemReserved"]

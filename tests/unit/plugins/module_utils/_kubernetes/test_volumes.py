# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PersistentVolumes that are lost with the disk of a node."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.volumes import by_node

NODES = [{"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "zone": "z1", "disk": disk}}} for name, disk in (("a", "ssd"), ("b", "hdd"))]


def volume(source, *expressions, kind="matchExpressions", claim=None):
    spec = {source: {}, **({"claimRef": {"namespace": "db", "name": claim}} if claim else {})}
    if expressions:
        terms = [{kind: [{"key": key, "operator": operator, "values": list(values)} for key, operator, *values in expressions]}]
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": terms}}
    return {"metadata": {"name": "pv"}, "spec": spec}


HOST = "kubernetes.io/hostname"


@pytest.mark.parametrize(
    ("found", "nodes"),
    [
        (volume("local", (HOST, "In", "a")), ["a"]),
        (volume("hostPath", (HOST, "In", "a", "b")), ["a", "b"]),
        (volume("local", ("disk", "In", "ssd")), ["a"]),
        (volume("local", (HOST, "In", "a"), ("disk", "In", "hdd")), []),
        (volume("local", (HOST, "NotIn", "a")), ["a", "b"]),
        (volume("hostPath", ("metadata.name", "In", "b"), kind="matchFields"), ["b"]),
        (volume("csi", (HOST, "In", "a")), ["a"]),
        (volume("csi", ("zone", "In", "z1")), []),  # a disk of the provider
        (volume("csi"), []),
        (volume("hostPath"), []),
        (volume("local", (HOST, "In", "gone")), []),
    ],
)
def test_a_local_volume_is_on_the_nodes_that_its_affinity_selects(found, nodes):
    assert by_node([found], NODES) == {name: ["pv"] for name in nodes}


def test_a_volume_is_named_with_its_claim():
    assert by_node([volume("local", (HOST, "In", "a"), claim="data")], NODES) == {"a": ["pv (db/data)"]}

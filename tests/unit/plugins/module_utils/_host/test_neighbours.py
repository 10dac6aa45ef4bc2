# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What belongs to hosts that have left is found by their MAC addresses, from what iproute2 prints."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host import neighbours

PRINTED = {
    "bridge fdb show dev flannel.1": """\
f6:c0:a0:28:55:d9 dst 10.30.1.21 self permanent
ee:73:7d:9d:b6:63 dst 10.30.1.22 self permanent
00:00:00:00:00:00 dst 10.30.1.21 self
""",
    "ip neighbour show dev flannel.1": """\
10.200.2.0 lladdr f6:c0:a0:28:55:d9 PERMANENT\x20
10.200.3.0 lladdr ee:73:7d:9d:b6:63 PERMANENT\x20
10.200.9.0 lladdr aa:73:7d:9d:b6:63 STALE\x20
""",
    "ip route show dev flannel.1": """\
10.200.2.0/24 via 10.200.2.0 onlink\x20
10.200.3.0/24 via 10.200.3.0 onlink\x20
""",
}
DELETED = [
    "ip route del 10.200.2.0/24 via 10.200.2.0 dev flannel.1",
    "ip neighbour del 10.200.2.0 dev flannel.1",
    "bridge fdb del f6:c0:a0:28:55:d9 dev flannel.1 dst 10.30.1.21",
]


@pytest.fixture
def commands(monkeypatch):
    seen = []

    def run(*words):
        if " ".join(words) in PRINTED:
            return PRINTED[" ".join(words)]
        seen.append(" ".join(words))
        return ""

    monkeypatch.setattr(neighbours, "run", run)
    return seen


def test_only_what_belongs_to_other_hosts_is_deleted(commands):
    wrong = neighbours.stale(neighbours.read("flannel.1"), ["10.30.1.22"])
    neighbours.forget("flannel.1", wrong)
    assert commands == DELETED


def test_hosts_of_the_cluster_stay(commands):
    assert not any(neighbours.stale(neighbours.read("flannel.1"), ["10.30.1.22", "10.30.1.21"]))


def test_without_the_interface_there_is_nothing(monkeypatch):
    def run(*_words):
        raise HostError("Cannot find device")

    monkeypatch.setattr(neighbours, "run", run)
    assert not any(neighbours.stale(neighbours.read("flannel.1"), []))

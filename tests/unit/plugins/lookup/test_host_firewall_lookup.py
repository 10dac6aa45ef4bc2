# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The addresses of which a run makes a host's table."""

from __future__ import annotations

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.cfcr.kubernetes.plugins.lookup.host_firewall import LookupModule

SETTINGS = {
    "cluster_firewall": True,
    "cluster_pod_cidr": "10.200.0.0/16",
    "cluster_service_cidr": "10.100.200.0/24",
    "cluster_firewall_sources": [],
    "cluster_firewall_ssh_pods": [],
}
RECORD = {"etcd-0": ["10.0.0.61"], "worker-0": ["10.0.0.21", "10.1.0.21"]}


def addresses(facts_of_worker):
    """Return the addresses of worker-0 in the table of etcd-0, which recorded both hosts in an earlier run."""
    own = {"cfcr_host": {"addresses": ["10.0.0.61"], "firewall_addresses": RECORD}}
    hostvars = {
        "etcd-0": {"ansible_host": "10.0.0.61", "ansible_facts": own},
        "worker-0": {"ansible_host": "10.0.0.21", **({} if facts_of_worker is None else {"ansible_facts": {"cfcr_host": facts_of_worker}})},
    }
    variables = {**SETTINGS, "groups": {"etcd": ["etcd-0"], "worker": ["worker-0"]}, "hostvars": hostvars}
    loader = DataLoader()
    (table,) = LookupModule(loader, Templar(loader=loader, variables=variables)).run(["etcd-0"], variables)
    (line,) = [line for line in table.splitlines() if line.startswith('# addresses of "worker-0": ')]
    return line.partition(": ")[2].split()


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"addresses": ["10.0.0.21", "10.2.0.21"]}, ["10.0.0.21", "10.2.0.21"]),
        ({"error": "unreachable: timed out"}, ["10.0.0.21", "10.1.0.21"]),
        (None, ["10.0.0.21", "10.1.0.21"]),  # --limit, or group ignored
    ],
)
def test_a_run_that_does_not_reach_a_host_keeps_its_addresses(facts, expected):
    assert addresses(facts) == expected

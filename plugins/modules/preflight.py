#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Check an inventory and its hosts before anything is changed
version_added: "0.1.0"
description:
  - Fails once, with a list of all that is wrong. Each line has the host, group or variable, what was found, and what is expected.
  - It runs on the controller and connects to no host but a remote director, with O(scope=hosts).
author: The cfcr.kubernetes maintainers (@cfcr)
extends_documentation_fragment: [cfcr.kubernetes._attributes.info]
options:
  scope:
    description:
      - V(inventory) checks the groups, addresses and C(cluster_*) variables of the whole inventory, whatever the play is limited to. Names that
        role P(cfcr.kubernetes.cluster#role) does not document are problems too.
      - V(hosts) checks those hosts of the play that have the fact C(cfcr_host) of M(cfcr.kubernetes.host_facts), and asks nothing of the others.
        It asks the director too, which has the store that the hosts' certificates must be from, whatever the play is limited to.
      - If that store has CAs, the cluster exists, and problems of hosts are returned in RV(problems) instead. The other hosts can go on.
    type: str
    choices: [inventory, hosts]
    required: true
  whole:
    description: Whether the inventory holds the whole cluster. Where it is a slice (as AWX makes them), groups are not counted.
    type: bool
    default: true
  operating_systems:
    description: The versions (C(VERSION_ID) of os-release) that are supported, by operating system (C(ID)).
    type: dict
    default: {}
  memory_mib:
    description: The least memory in MiB, by group.
    type: dict
    default: {}
  disk_mib:
    description: The least free space in MiB, by directory.
    type: dict
    default: {}
  clock_skew:
    description: How many seconds a clock may differ from the others.
    type: float
    default: 2.0
seealso:
  - module: cfcr.kubernetes.host_facts
  - module: cfcr.kubernetes.director_facts
"""

EXAMPLES = r"""
- name: Check the inventory
  cfcr.kubernetes.preflight:
    scope: inventory
  run_once: true

- name: Ask the hosts
  cfcr.kubernetes.host_facts:
    on_failure: report

- name: Check the hosts
  cfcr.kubernetes.preflight:
    scope: hosts
    operating_systems: {debian: ["12", "13"]}
    memory_mib: {master: 1800}
  run_once: true
"""

RETURN = r"""
problems:
  description: For each host of an existing cluster that has problems, the list of them.
  returned: success
  type: dict
  sample: {worker-1: "1 problem, and nothing was changed:\n  worker-1: found 400 MiB of memory, expected 900 MiB or more for worker"}
msg:
  description: The list of all problems.
  returned: failure
  type: str
  sample: |-
    2 problems, and nothing was changed:
      group etcd:       found 2 hosts, expected an odd number: one more member than an odd number survives no more failures
      cluster_api_hots: found an unknown name, expected a name that role cluster documents; is cluster_api_host meant?
"""

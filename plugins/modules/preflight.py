#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Check an inventory and its hosts before anything is changed
version_added: "0.9.0"
description:
  - Fails once with a list of all problems. Each line names the host, group or variable, what was found, and what was expected.
  - It runs on the controller. With O(scope=hosts) it connects to a remote director, and to no other host.
author: The cfcr.kubernetes maintainers (@cfcr)
extends_documentation_fragment: [cfcr.kubernetes._attributes.info]
options:
  scope:
    description:
      - V(start) checks the version of ansible-core and the options for tags. If the variable C(confirm_cluster) is set, as by a survey of AWX, it must be
        the name of the cluster. Give the task the tag C(always).
      - V(start) and V(inventory) refuse jobs of AWX whose store would be a directory of the controller, which is removed with the job, and slices.
      - V(inventory) checks the groups, addresses and C(cluster_*) variables of the whole inventory, also if the play is limited to some hosts.
        C(cluster_*) names that role P(cfcr.kubernetes.cluster#role) does not document are problems too.
      - V(hosts) checks the hosts of the play that have the fact C(cfcr_host) of M(cfcr.kubernetes.host_facts). It also checks the director, whose
        store must have issued the hosts' certificates.
      - The networks of a running cluster, and the members of its etcd, must be those of the inventory.
      - If that store has CAs, the cluster exists. Then problems of single hosts are returned in RV(problems), and the other hosts can go on.
    type: str
    choices: [start, inventory, hosts]
    required: true
  whole:
    description: Whether the inventory has the whole cluster. If it is a part of it, the sizes of groups and the members of etcd are not checked.
    type: bool
    default: true
  versions:
    description:
      - What a run may do with the versions of components in a cluster that exists.
      - V(same) refuses a O(cfcr.kubernetes.cluster#role:main:cluster_kubernetes_version) that is not the one of the cluster.
      - With V(recorded), the run takes the versions of the cluster from RV(versions), whatever the variable says.
      - With V(planned), the playbook itself says which host gets which version. Otherwise a worker with another minor of the kubelet or of containerd is
        refused, because nothing drains it.
    type: str
    choices: [same, recorded, planned]
    default: same
    version_added: "1.0.0"
  restores:
    description:
      - Whether the run restores the cluster. With another O(versions) than V(same), other runs are refused while a restore has begun and not finished. With
        V(same), they get a warning.
    type: bool
    default: false
    version_added: "1.0.0"
  operating_systems:
    description: Supported versions (C(VERSION_ID) of C(/etc/os-release)), by operating system (C(ID)).
    type: dict
    default: {}
  memory_mib:
    description: Minimum memory in MiB, by group.
    type: dict
    default: {}
  disk_mib:
    description: Minimum free space in MiB, by directory.
    type: dict
    default: {}
  worker_free_percent:
    description: Minimum free space in C(/var/lib) of a worker that does not run yet, as percentage of its file system.
    type: int
    default: 15
    version_added: "1.0.0"
  clock_skew:
    description: Maximum difference of a clock from the others, in seconds.
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

- name: Gather host facts
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
  description: Problems by host, of hosts of an existing cluster.
  returned: success
  type: dict
  sample: {worker-1: "1 problem, and nothing was changed:\n  worker-1: found 400 MiB of memory, expected 900 MiB or more for worker"}
kept:
  description:
    - The versions of hosts that do not have those of the cluster, because an update is not finished, and the minor version that masters emulate. New
      members of etcd and new masters have those of the others.
  returned: success, with O(scope=hosts)
  type: dict
  sample: {}
updating:
  description: Whether an update is not finished.
  returned: success, with O(scope=hosts)
  type: bool
  sample: false
versions:
  description:
    - The versions of the cluster by project, those of the record in its store. Without a record, those of most hosts; of a new cluster, those of
      O(cfcr.kubernetes.cluster#role:main:cluster_kubernetes_version).
  returned: success, with O(scope=hosts)
  type: dict
  sample: {catalog: "1.36", kubernetes: 1.36.3, etcd: 3.6.16}
msg:
  description: All problems.
  returned: failure
  type: str
  sample: |-
    2 problems, and nothing was changed:
      group worker:     found no hosts, expected at least one host
      cluster_api_hots: found an unknown name, expected a name that role cluster documents; is cluster_api_host meant?
"""

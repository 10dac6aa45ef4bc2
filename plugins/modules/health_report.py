#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: health_report
short_description: Judge how a cluster is
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Makes one report of what the hosts of a cluster and its API said, and lists what is not as it must be. It does not fail because of that.
  - It runs on the controller and asks nobody but the credential store, C(cluster_store) on C(cluster_director), for what is being replaced. A store
    that cannot be read is a finding.
extends_documentation_fragment: [cfcr.kubernetes._attributes.info]
options:
  hosts:
    description: What M(cfcr.kubernetes.host_health) returned as RV(cfcr.kubernetes.host_health#module:health), by host.
    type: dict
    required: true
  api:
    description: What M(cfcr.kubernetes.kubernetes_cluster_info) returned.
    type: dict
    required: true
  disk_percent:
    description: How much of a disk, space or inodes, may be used.
    type: int
    default: 85
  memory_percent:
    description: How much of the memory may be used.
    type: int
    default: 95
  clock_skew:
    description: How many seconds a clock may differ from the controller's.
    type: float
    default: 2.0
  certificate_days:
    description: How many days certificates and authorities must have left.
    type: int
    default: 60
  rotation_days:
    description: How many days an authority, a key or a password may be in one phase of its replacement.
    type: int
    default: 2
seealso:
  - module: cfcr.kubernetes.host_health
  - module: cfcr.kubernetes.kubernetes_cluster_info
  - module: cfcr.kubernetes.credential_info
"""

EXAMPLES = r"""
- name: Judge
  cfcr.kubernetes.health_report:
    hosts: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, ['asked', 'health']))) }}"
    api: "{{ asked_api }}"
  run_once: true
  register: health_report
"""

RETURN = r"""
hosts:
  description:
    - The hosts that were asked, and those of group C(ignored), which are not, in the order of the groups.
    - The state is C(healthy); C(failing) where a critical finding is about the host; C(unreachable); or C(ignored).
    - What the host said follows, as M(cfcr.kubernetes.host_health) returns it, summed up; a worker has its node.
  returned: always
  type: dict
  sample:
    worker-0:
      {group: worker, index: 0, address: 10.0.0.21, zone: "", state: unreachable, node: {ready: false, condition: Unknown},
       error: "no answer within 10 seconds"}
cluster:
  description: The endpoint, the quorum of etcd, the nodes by name (V(null) where the API did not answer), the authorities, what is being replaced.
  returned: always
  type: dict
  sample:
    endpoint: {url: "https://10.0.0.91:8443", problem: null, seconds: 0.02}
    etcd: {voters: 3, needed: 2, asked: 3, healthy: 3, leader: etcd-1}
    rotations: [{name: service-account, phase: use, since: "2026-11-21T09:00:00Z", days: 0}]
findings:
  description:
    - What is not as it must be, the critical ones first. A finding without a host is the cluster's.
    - The kind is one of C(unreachable), C(job) (it is not there), C(unit), C(disk), C(memory), C(clock), C(certificate), C(node), C(etcd),
      C(endpoint), C(rotation) (it was left half-way) and C(store) (it cannot be read).
  returned: always
  type: list
  elements: dict
  sample:
    - {host: worker-0, kind: unreachable, subject: 10.0.0.21, found: "no answer within 10 seconds (asked 2 times)", expected: an answer,
       severity: critical}
seconds:
  description: How long all of it took, from the first question on; V(null) where no host answered.
  returned: always
  type: float
  sample: 1.3
text:
  description: The findings for people.
  returned: always
  type: str
  sample: "1 finding; hosts: 8 healthy, 1 unreachable, asked in 13.2 s"
"""

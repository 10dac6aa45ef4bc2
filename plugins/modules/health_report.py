#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: health_report
short_description: Evaluate the health of a cluster
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Makes one report from the health of the hosts and the answer of the API, and lists each violation of a rule as a finding. It does not fail
    because of findings.
  - It runs on the controller. It reads only the credential store itself, C(cluster_store) on C(cluster_director), for rotations in progress. A
    store that cannot be read is a finding.
extends_documentation_fragment: [cfcr.kubernetes._attributes.info]
options:
  hosts:
    description: The RV(cfcr.kubernetes.host_health#module:health) that M(cfcr.kubernetes.host_health) returned, by host.
    type: dict
    required: true
  api:
    description: The result of M(cfcr.kubernetes.kubernetes_cluster_info).
    type: dict
    required: true
  disk_percent:
    description: Report disks of which more than this percentage is used, of the space or of the inodes.
    type: int
    default: 85
  memory_percent:
    description: Report hosts that use more than this percentage of their memory.
    type: int
    default: 95
  clock_skew:
    description: Report clocks that differ from the controller's by more than this many seconds.
    type: float
    default: 2.0
  certificate_expires_within_days:
    description: Report certificates and CAs that expire within this many days.
    type: int
    default: 60
  rotation_days:
    description: Report rotations that have been in one phase for this many days or more.
    type: int
    default: 2
  read_store:
    description: Whether to read the credential store, for rotations that were left unfinished.
    type: bool
    default: true
    version_added: "1.0.0"
  etcd_percent:
    description: Report members of etcd whose database has more than this percentage of its quota.
    type: int
    default: 80
    version_added: "1.0.0"
  backup_hours:
    description:
      - Report a newest verified backup that is older than this many hours, once a backup has been tried or is expected. V(0) reports nothing about backups.
    type: int
    default: 26
    version_added: "1.0.0"
  backup_expected:
    description: Whether to report that no backup was ever tried.
    type: bool
    default: false
    version_added: "1.0.0"
seealso:
  - module: cfcr.kubernetes.host_health
  - module: cfcr.kubernetes.kubernetes_cluster_info
  - module: cfcr.kubernetes.credential_info
"""

EXAMPLES = r"""
- name: Evaluate the health of the cluster
  cfcr.kubernetes.health_report:
    hosts: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, ['host_health', 'health']))) }}"
    api: "{{ kubernetes_cluster_info }}"
  run_once: true
  register: health_report
"""

RETURN = r"""
hosts:
  description:
    - The hosts that were asked, and those of group C(ignored), which are not, in the order of the groups.
    - The state is C(ignored); C(unreachable) if the host cannot be reached; C(failing) if it has a critical finding; or C(healthy).
    - A host that answered has the values of M(cfcr.kubernetes.host_health), with the C(units) of all its jobs together, its C(fullest_disk), of
      which the larger share of space or inodes counts, and C(certificate_days_left) of the certificate that expires first. C(other_releases) are the
      versions that components are to have, of those that have others in C(releases). A worker has its C(node).
  returned: always
  type: dict
  sample:
    worker-0:
      {group: worker, index: 0, address: 10.0.0.21, zone: "", state: unreachable, node: {ready: false, condition: Unknown},
       error: "no answer within 15 seconds"}
cluster:
  description: The endpoint, the quorum of etcd, the nodes by name (V(null) if the API did not answer), the CAs, the rotations in progress,
    and the versions that the store has for components, by project.
  returned: always
  type: dict
  sample:
    endpoint: {url: "https://10.0.0.91:8443", problem: null, seconds: 0.02}
    etcd: {voters: 3, needed: 2, asked: 3, healthy: 3, leader: etcd-1}
    versions: {catalog: "1.36", kubernetes: 1.36.3, etcd: 3.6.16}
    rotations: [{name: service-account, phase: use, since: "2026-11-21T09:00:00Z", days_in_phase: 0}]
findings:
  description:
    - The findings, critical ones first. A finding without a host is about the cluster.
    - The kind is one of C(unreachable), C(answer) (the module failed, or its answer is invalid), C(job) (it is not installed), C(unit), C(disk), C(memory),
      C(clock), C(certificate), C(node), C(etcd), C(endpoint), C(rotation) (it was left unfinished) and C(store) (it cannot be read).
  returned: always
  type: list
  elements: dict
  sample:
    - {host: worker-0, kind: unreachable, subject: 10.0.0.21, found: "no answer within 15 seconds (2 attempts)",
       expected: a host that Ansible reaches, severity: critical}
seconds:
  description: Duration of the whole check in seconds, from the first request on; V(null) if no host answered.
  returned: always
  type: float
  sample: 1.3
text:
  description: The findings as text.
  returned: always
  type: str
  sample: "1 finding; hosts: 8 healthy, 1 unreachable, checked in 13.2 s"
"""

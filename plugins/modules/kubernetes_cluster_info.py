#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_cluster_info
short_description: Return the health of the endpoint and the nodes of a cluster
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Checks whether the endpoint, the server of the kubeconfig, is ready, and lists the nodes. If the endpoint does not answer, it lists them through
    another server.
  - It runs on the director, which has the kubeconfig. It changes nothing and does not fail. If the director cannot be reached, it returns that as the
    problem of the endpoint.
options:
  kubeconfig:
    description: File with the kubeconfig of a user who may list nodes.
    type: path
    required: true
  servers:
    description: URLs of the API servers themselves.
    type: list
    elements: str
    default: []
  seconds:
    description: Seconds within which each server must answer.
    type: float
    default: 5
  probes:
    description:
      - URLs of API servers, or of proxies before them, by name. Each one is asked for C(/readyz). It need not be ready, it must only answer.
    type: dict
    default: {}
    version_added: "1.0.0"
  volumes:
    description: Whether to list the PersistentVolumes that are on the disk of one node.
    type: bool
    default: false
    version_added: "1.0.0"
extends_documentation_fragment:
  - cfcr.kubernetes._attributes.info
  - cfcr.kubernetes._attributes.action
seealso:
  - module: cfcr.kubernetes.etcd_cluster_info
  - module: cfcr.kubernetes.health_report
"""

EXAMPLES = r"""
- name: Get the state of the nodes
  cfcr.kubernetes.kubernetes_cluster_info:
    kubeconfig: /var/lib/cfcr/prod/kubeconfig
    servers: [https://10.0.0.11:8443, https://10.0.0.12:8443]
  delegate_to: "{{ cluster_director }}"
  run_once: true
"""

RETURN = r"""
endpoint:
  description: The server of the kubeconfig, its problem or V(null), and the duration of its answer in seconds.
  returned: always
  type: dict
  sample: {url: "https://10.0.0.91:8443", problem: null, seconds: 0.02}
refusal:
  description: Reason why the kubeconfig cannot be used, or why an API server refuses its user. V(null) if neither is the case.
  returned: always
  type: str
  sample: "kubeconfig /var/lib/cfcr/prod/health.kubeconfig: No such file or directory"
nodes:
  description: The nodes by name, V(null) if no server answered, or if it refused the user. RV(ignore:seconds) is how long the condition has lasted.
  returned: always
  type: dict
  sample:
    10.0.0.21:
      {ready: true, condition: Ready, seconds: 86400, message: "kubelet is posting ready status", schedulable: true, version: v1.36.3, pressure: []}
volumes:
  description:
    - With O(volumes), the volumes on the disk of each node, with their claims; a node without any is not listed.
    - V(null) if the API does not list volumes or nodes.
  returned: always
  type: dict
  sample: {10.0.0.21: [pvc-5f2c (default/data-db-0)]}
probes:
  description: Why a URL of O(probes) does not answer, V(null) if it does.
  returned: always
  type: dict
  sample: {master-1: "[Errno 113] No route to host"}
certificate:
  description: The client certificate in the kubeconfig, V(null) if there is none.
  returned: always
  type: dict
  sample: {common_name: health, issuer: cfcr kubernetes, not_after: "2027-11-21T16:19:44Z", days_left: 364}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.status import SPEC, cluster_status


def main() -> None:
    """Return the status."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    module.exit_json(changed=False, **cluster_status(module.params))


if __name__ == "__main__":
    main()

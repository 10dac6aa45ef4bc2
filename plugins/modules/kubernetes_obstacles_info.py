#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_obstacles_info
short_description: Return what an update of Kubernetes may break, and what may block it
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns deprecated APIs that clients have requested since the API servers started, webhooks that fail closed on nodes or pods, and
    PodDisruptionBudgets that allow no eviction. It changes nothing but the binding that O(store) is for.
  - It runs on the director, which has the administrator's kubeconfig. It does not fail if no API server answers.
options:
  servers:
    description: URLs of the API servers. Each counts the requests that it gets.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds to retry a request that an API server does not answer.
    type: int
    default: 10
extends_documentation_fragment: [cfcr.kubernetes._attributes.info, cfcr.kubernetes._administrator, cfcr.kubernetes._store]
"""

EXAMPLES = r"""
- name: List what may break
  cfcr.kubernetes.kubernetes_obstacles_info:
    kubeconfig: /var/lib/cfcr/prod/kubeconfig
    servers: ["https://10.0.0.11:8443", "https://10.0.0.12:8443"]
  delegate_to: "{{ cluster_director }}"
  run_once: true
"""

RETURN = r"""
problem:
  description: Reason why the API could not be asked, so that the rest is not known. V(null) if it could.
  returned: always
  type: str
  sample: "https://10.0.0.91:8443: no answer within 10 seconds"
apis:
  description: Deprecated APIs that clients have requested, each with the minor version that no longer serves it.
  returned: always
  type: list
  elements: dict
  sample: [{api: flowschemas.v1beta3.flowcontrol.apiserver.k8s.io, removed: "1.32"}]
unasked:
  description: Reasons by URL of O(servers) whose requests are not known.
  returned: always
  type: dict
  sample: {}
webhooks:
  description:
    - Webhooks that fail closed on RV(ignore:resources) that an update changes. RV(ignore:everything) tells that no selector and no condition leaves out a
      request, RV(ignore:ready) whether the service has an endpoint; V(null) if that is not known, as of a URL.
  returned: always
  type: list
  elements: dict
  sample: [{name: policy/pods.example.com, resources: [pods], everything: true, service: policy/webhook, ready: true}]
budgets:
  description: PodDisruptionBudgets that allow no eviction at the moment, with the numbers of pods that exist, are healthy and are needed.
  returned: always
  type: list
  elements: dict
  sample: [{name: default/web, pods: 3, healthy: 3, needed: 3}]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.administrators import MissingBinding
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import KubernetesError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.obstacles import SPEC, find, nothing


def main() -> None:
    """Return the obstacles."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        found = find(module.params, module.check_mode)
    except MissingBinding as error:
        module.warn(str(error))
        found = nothing()
    except (HostError, KubernetesError) as error:  # without a usable kubeconfig
        found = {**nothing(), "problem": str(error)}
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()

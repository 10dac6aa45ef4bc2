#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pod_security_info
short_description: Return the running pods that a Pod Security level would refuse
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Lists the pods that would be refused if they were created again under a stricter default level of Pod Security. The API server finds them itself, in a
    dry run that gives each namespace the level as a label.
  - Namespaces with a label C(pod-security.kubernetes.io/enforce) are left out, because the default level is not for them.
  - An API server names one pod for each reason and counts the others, checks 3,000 pods of a namespace at most, and shortens long lists. It does not see
    workloads that have no pods at the moment.
  - It runs on the director, which has the administrator's kubeconfig. It changes nothing but the binding that O(store) is for, and does not fail if no API
    server answers.
options:
  servers:
    description: URLs of API servers to ask if the server of the kubeconfig does not answer.
    type: list
    elements: str
    default: []
  level:
    description: The level of the Pod Security Standards.
    type: str
    choices: [baseline, restricted]
    required: true
  exempt_namespaces:
    description: Namespaces that will be exempt.
    type: list
    elements: str
    default: []
  formerly_exempt_namespaces:
    description: Namespaces that are exempt now. API servers do not check their pods, so they are returned as one entry without a pod, if they have pods.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds to retry a request that an API server does not answer.
    type: int
    default: 60
extends_documentation_fragment: [cfcr.kubernetes._attributes.info, cfcr.kubernetes._administrator, cfcr.kubernetes._store]
"""

EXAMPLES = r"""
- name: List the pods that baseline would refuse
  cfcr.kubernetes.pod_security_info:
    kubeconfig: /var/lib/cfcr/prod/kubeconfig
    level: baseline
    exempt_namespaces: [kube-system]
  delegate_to: "{{ cluster_director }}"
  run_once: true
"""

RETURN = r"""
problem:
  description: Reason why no API server answered. V(null) if one did.
  returned: always
  type: str
  sample: "https://10.0.0.91:8443: no answer within 10 seconds"
refused:
  description: Pods that would be refused, one entry for each reason and namespace.
  returned: always
  type: list
  elements: dict
  contains:
    namespace:
      description: The namespace.
      type: str
    pod:
      description: Name of the first pod. Empty if pods could not be checked.
      type: str
    others:
      description: Number of further pods with the same reason.
      type: int
    reason:
      description: The rule of the level that they break, or the reason why they were not checked.
      type: str
  sample: [{namespace: default, pod: web-0, others: 2, reason: 'hostPath volumes (volume "data")'}]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.administrators import MissingBinding
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.pod_security import SPEC, preview


def main() -> None:
    """Return the pods."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        found = preview(module.params, module.check_mode)
    except MissingBinding as error:
        module.warn(str(error))
        found = {"problem": None, "refused": []}
    except HostError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()

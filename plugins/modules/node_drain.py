#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drain a node, or make it schedulable again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_drain
short_description: Drain a node, or make it schedulable again
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Cordons a node, evicts its pods, and waits until they are gone. Pods of DaemonSets, pods of the kubelet itself and finished pods stay.
  - Says which pods block the drain and why, with the PodDisruptionBudget that protects them. Runs on the director, where it shows them while it waits.
  - Only O(owner) makes a node schedulable that it has cordoned. A node that an operator has cordoned stays so.
  - Of several nodes that are drained one after the other, those that come later can have a taint, so that fewer pods move twice.
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
  - cfcr.kubernetes._attributes.action
  - cfcr.kubernetes._administrator
  - cfcr.kubernetes._store
attributes:
  diff_mode:
    support: none
options:
  kubeconfig:
    description:
      - A kubeconfig file whose current context embeds the CA of the server, the client certificate and its key.
  store:
    version_added: "1.0.0"
  name:
    description: Name of the node. With O(state=schedulable) it may be empty, for all nodes that O(owner) has cordoned.
    type: str
    default: ""
  names:
    description: Names of nodes, for O(state=waiting).
    type: list
    elements: str
    default: []
  state:
    description:
      - V(drained) cordons and evicts. V(schedulable) undoes the cordon and the taint of O(owner). V(waiting) gives O(names) the taint
        C(cfcr.internal/drained-later-by), with which the scheduler prefers other nodes.
    type: str
    choices: [drained, schedulable, waiting]
    required: true
  owner:
    description: Name of whoever cordons, written to the annotation C(cfcr.internal/cordoned-by) of the node, or the value of the taint.
    type: str
    required: true
  timeout:
    description: Seconds to wait until the pods are gone.
    type: int
    default: 600
  grace_period:
    description: Seconds that each pod gets to end. By default as many as it wants.
    type: int
  on_timeout:
    description:
      - V(fail) makes the node schedulable again and fails. A pod that no controller creates again blocks, without a wait for the timeout.
      - V(delete) deletes the pods that are left, whatever protects them. V(force) does not wait for their kubelet either.
    type: str
    choices: [fail, delete, force]
    default: fail
"""

EXAMPLES = r"""
- name: Drain a node
  cfcr.kubernetes.node_drain:
    kubeconfig: /var/lib/cfcr/cfcr/kubeconfig
    name: 10.0.0.21
    state: drained
    owner: maintenance

- name: Make all nodes schedulable again that were drained above
  cfcr.kubernetes.node_drain:
    kubeconfig: /var/lib/cfcr/cfcr/kubeconfig
    state: schedulable
    owner: maintenance
"""

RETURN = r"""
cordoned:
  description: Whether this call cordoned the node, or would in check mode.
  returned: always
  type: bool
evicted:
  description: Pods that were evicted or deleted, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [default/web-5d8f7c9b6-x2x7k]
blocked:
  description: Pods that are left when the time is up, with the reason.
  returned: always
  type: list
  elements: dict
  sample:
    - pod: web-5d8f7c9b6-x2x7k
      namespace: default
      reason: >-
        429 Cannot evict pod as it would violate the pod's disruption budget. The disruption budget web needs 2 healthy pods and has 2 currently
waiting:
  description: Nodes that got the taint.
  returned: always
  type: list
  elements: str
  sample: [10.0.0.22]
uncordoned:
  description: Nodes that are schedulable again, or have lost the taint.
  returned: always
  type: list
  elements: str
  sample: [10.0.0.21]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._errors import HostError
from ..module_utils._kubernetes.client import KubernetesError
from ..module_utils._kubernetes.drain import SPEC, Blocked, operate


def main() -> None:
    """Drain, uncordon or taint."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        result = operate(module.params, module.check_mode)
    except Blocked as error:
        module.fail_json(msg=str(error), **error.result)
    except (HostError, KubernetesError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()

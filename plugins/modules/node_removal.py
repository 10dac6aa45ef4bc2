#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Delete the Nodes of workers that have left."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_removal
short_description: Delete the Nodes of workers that have left
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Deletes Nodes. Of a worker that is dead, it first marks the Node by the taint C(node.kubernetes.io/out-of-service), so that the cluster deletes its
    pods at once, detaches its volumes and starts both elsewhere, and waits for that.
  - It runs on the director.
options:
  kubeconfig:
    description:
      - A kubeconfig file whose current context embeds the CA of the server, the client certificate and its key.
  store:
    version_added: "1.0.0"
  names:
    description: Names of the Nodes. Either this or O(keep) is required.
    type: list
    elements: str
  keep:
    description:
      - Names of the Nodes that stay. All others are deleted, and count as dead. Their pods are deleted at once, because the cluster may have had no time
        to find out that their kubelets do not answer.
    type: list
    elements: str
  dead:
    description: Those of O(names) whose hosts do not run any more.
    type: list
    elements: str
    default: []
  wait:
    description: Seconds to wait until pods and volumes of dead workers are gone. Afterwards, their Nodes are deleted nevertheless, with a warning.
    type: int
    default: 120
  timeout:
    description: Seconds after which a request fails for good.
    type: int
    default: 60
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
  - cfcr.kubernetes._administrator
  - cfcr.kubernetes._store
"""

EXAMPLES = r"""
- name: Delete the Nodes of two workers, one of which has died
  cfcr.kubernetes.node_removal:
    kubeconfig: /var/lib/cfcr/cfcr/kubeconfig
    names: [10.0.0.23, 10.0.0.24]
    dead: [10.0.0.24]
"""

RETURN = r"""
nodes:
  description: The Nodes that were deleted, or would be in check mode.
  type: list
  elements: str
  returned: success
  sample: [10.0.0.24]
left:
  description: What dead workers still had when their Nodes were deleted.
  type: list
  elements: str
  returned: success
  sample: ["Pod default/web-0 on 10.0.0.24"]
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.administrators import OPTIONS, MissingBinding, administrator
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import Kubernetes, KubernetesError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish

NODES = "/api/v1/nodes"
PODS = "/api/v1/pods"
ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"
OUT_OF_SERVICE = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}
POLL_SECONDS = 2


def tainted(node: dict[str, t.Any]) -> dict[str, t.Any] | None:
    """Return the patch that marks a Node as out of service, or None if it is marked. It fails if somebody has changed the Node since."""
    taints = node["spec"].get("taints") or []
    if any(taint["key"] == OUT_OF_SERVICE["key"] for taint in taints):
        return None
    return {"metadata": {"resourceVersion": node["metadata"]["resourceVersion"]}, "spec": {"taints": [*taints, OUT_OF_SERVICE]}}


class Nodes:
    """The Nodes of workers that have left."""

    def __init__(self, cluster: Kubernetes, params: dict[str, t.Any]) -> None:
        """Read which ones there are."""
        self.cluster, self.params = cluster, params
        self.found = dict(self._found())
        self.dead = params["dead"] if params["keep"] is None else list(self.found)
        self.left: list[str] = []

    def delete(self) -> None:
        """Move what dead workers have, and delete the Nodes."""
        dead = [name for name in self.found if name in self.dead]
        for name in dead:
            self._mark(name)
            if self.params["keep"] is not None:
                self._delete_pods(name)
        deadline = time.monotonic() + self.params["wait"]
        while dead:
            self.left = [text for name in dead for text in self._left(name)]
            if not self.left or time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
        for name in self.found:
            self.cluster.request("DELETE", f"{NODES}/{name}")

    def _found(self) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
        """Yield the Nodes to delete, by name."""
        keep = self.params["keep"]
        if keep is None:
            yield from ((name, node) for name in self.params["names"] if (node := self.cluster.request("GET", f"{NODES}/{name}")))
            return
        for node in self.cluster.request("GET", NODES)["items"]:
            if node["metadata"]["name"] not in keep:
                yield node["metadata"]["name"], node

    def _mark(self, name: str) -> None:
        while True:
            node = self.cluster.request("GET", f"{NODES}/{name}")
            patch = tainted(node) if node else None
            if patch is None:
                return
            try:
                self.cluster.request("PATCH", f"{NODES}/{name}", patch, {"Content-Type": "application/merge-patch+json"})
                return
            except KubernetesError as error:
                if error.status != 409:  # changed in the meantime: read it again
                    raise

    def _delete_pods(self, name: str) -> None:
        """Delete the pods of a worker without waiting for its kubelet."""
        for pod in self._pods(name):
            path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
            self.cluster.request("DELETE", path, gracePeriodSeconds=0)

    def _pods(self, name: str) -> list[dict[str, t.Any]]:
        return (self.cluster.request("GET", PODS, fieldSelector=f"spec.nodeName={name}") or {"items": []})["items"]

    def _left(self, name: str) -> t.Iterator[str]:
        """Yield the pods and volumes that a worker still has."""
        for pod in self._pods(name):
            yield f"Pod {pod['metadata']['namespace']}/{pod['metadata']['name']} on {name}"
        attached = self.cluster.request("GET", ATTACHMENTS) or {"items": []}
        for attachment in attached["items"]:
            if attachment["spec"]["nodeName"] == name:
                yield f"volume {attachment['spec']['source'].get('persistentVolumeName', '')} attached to {name}"


def main() -> None:
    """Delete the Nodes."""
    module = AnsibleModule(
        argument_spec={
            **OPTIONS,
            "names": {"type": "list", "elements": "str"},
            "keep": {"type": "list", "elements": "str"},
            "dead": {"type": "list", "elements": "str", "default": []},
            "wait": {"type": "int", "default": 120},
            "timeout": {"type": "int", "default": 60},
        },
        mutually_exclusive=[("names", "keep")],
        required_one_of=[("names", "keep")],
        supports_check_mode=True,
    )
    try:
        # The wait counts as well, because the client has one deadline for all of its requests.
        waits = module.params["dead"] or module.params["keep"] is not None
        options = {**module.params, "timeout": module.params["timeout"] + (module.params["wait"] if waits else 0)}
        nodes = Nodes(administrator(options, module.check_mode), module.params)
        names = list(nodes.found)
        if names and not module.check_mode:
            nodes.delete()
        if nodes.left:
            module.warn(f"deleted with Nodes that do not answer: {', '.join(nodes.left)}")
        finish(module, {"nodes": names}, {"nodes": []}, lambda: None, nodes=names, left=nodes.left)
    except MissingBinding as error:
        module.warn(str(error))
        module.exit_json(changed=False, nodes=[], left=[])
    except (HostError, KubernetesError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

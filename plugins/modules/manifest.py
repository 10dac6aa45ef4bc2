#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: manifest
short_description: Apply a set of Kubernetes objects and prune former ones
description:
  - Applies a list of objects server-side, deletes former objects of the set that are no longer in the list, and waits until the applied objects are
    available, in one call and over one connection.
  - The set is an ApplySet (KEP-3659). Its owner, a ConfigMap of the name of the set, records the kinds of the set, so that
    pruning takes one request per kind. Its members have the set's ID in the label C(applyset.kubernetes.io/part-of).
  - A dry run on the server finds the differences, so that check mode and diff include defaults and admission. Only objects that differ are
    written.
version_added: "0.9.0"
author:
  - The cfcr.kubernetes maintainers (@cfcr)
options:
  kubeconfig:
    description:
      - A kubeconfig file whose current context embeds the CA of the server, the client certificate and its key.
      - It may be JSON, or YAML, which requires PyYAML.
  store:
    version_added: "1.0.0"
  name:
    description: Name of the set, and of the ConfigMap that owns it.
    type: str
    required: true
  namespace:
    description: Namespace of the ConfigMap that owns the set. The members may be in any namespace.
    type: str
    default: kube-system
  objects:
    description:
      - The objects of the set. Namespaces and custom resource definitions are applied first, the others in the order of the
        list. An empty list removes the set.
    type: list
    elements: dict
    required: true
  secrets:
    description: Secrets of the set, separate from O(objects) so that their data is never logged.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the Secret.
        type: str
        required: true
      namespace:
        description: Namespace of the Secret.
        type: str
        required: true
      type:
        description: Type of the Secret.
        type: str
        default: Opaque
      data:
        description: The content, as plain text.
        type: dict
        required: true
  wait:
    description:
      - Whether to wait until every Deployment, DaemonSet and StatefulSet is rolled out and available, every APIService is available
        and every CustomResourceDefinition is established, changed or not.
    type: bool
    default: false
  timeout:
    description: Seconds after which the module fails, including the wait for an API server that does not answer yet.
    type: int
    default: 120
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
  - cfcr.kubernetes._administrator
  - cfcr.kubernetes._store
"""

EXAMPLES = r"""
- name: Apply a namespace with one Deployment
  cfcr.kubernetes.manifest:
    kubeconfig: /var/lib/cfcr/cfcr/kubeconfig
    name: hello
    wait: true
    objects: "{{ lookup('ansible.builtin.template', 'hello.yml.j2') | from_yaml_all | list }}"

- name: Remove all of it
  cfcr.kubernetes.manifest:
    kubeconfig: /var/lib/cfcr/cfcr/kubeconfig
    name: hello
    objects: []
"""

RETURN = r"""
applied:
  description: The objects that were created or changed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["Deployment kube-system/coredns"]
pruned:
  description: The objects that were deleted, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["Service kube-system/kube-dns"]
"""

import base64
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes import applyset
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.administrators import BINDING, OPTIONS, MissingBinding, administrator
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.availability import node_problems, pod_problem, shortfall
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import Kubernetes, KubernetesError, Unavailable, title
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish, finish_unread

Objects = t.Dict[applyset.Identity, t.Dict[str, t.Any]]


def as_object(secret: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the Secret of an item of the option."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret["name"], "namespace": secret["namespace"]},
        "type": secret["type"],
        "data": {key: base64.b64encode(str(value).encode()).decode() for key, value in secret["data"].items()},
    }


def _namespace(obj: dict[str, t.Any]) -> applyset.Identity:
    return "", "Namespace", "", obj["metadata"].get("namespace", "")


class Set:
    """The actual and the desired state of a set of objects, and how to apply it."""

    def __init__(self, cluster: Kubernetes, name: str, namespace: str, objects: list[dict[str, t.Any]]) -> None:
        self.cluster = cluster
        self.name, self.namespace = name, namespace
        self.id = applyset.set_id(name, namespace)
        self.members = applyset.members(objects, self.id)
        self.owner = applyset.owner(name, namespace, map(applyset.identity, self.members))
        self.before: Objects = {}
        self.after: Objects = {}
        self.leaving: Objects = {}

    def observe(self) -> None:
        """Read the objects of the set, and existing objects that would join it."""
        home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        while self.cluster.get(home) is None:  # a server that has just started creates kube-system in the background
            self.cluster.pause(lambda: f"{title(home)} does not exist")
        owner = self.cluster.get(self.owner)
        found = [owner] if owner else []
        for group, kind in sorted(applyset.recorded_kinds(owner) | {applyset.identity(obj)[:2] for obj in self.members}):
            found += self.cluster.list(group, kind, labelSelector=f"{applyset.PART_OF}={self.id}")
        self._take_in(found)
        for obj in self.members:
            if not {applyset.identity(obj)} & {*self.before, *self.leaving} and not self._comes_with_the_set(obj):
                self._take_in(filter(None, [self.cluster.get(obj)]))

    def predict(self) -> None:
        """Find the result for every object by a dry run on the server."""
        for obj in [self.owner, *self.members] if self.members else []:
            unknowable = self._comes_with_the_set(obj) or applyset.identity(obj) in self.leaving
            self.after[applyset.identity(obj)] = obj if unknowable else self.cluster.apply(obj, dry_run=True)

    def apply(self) -> None:
        """Write objects that differ and prune others. The owner always records at least the kinds that may exist."""
        if self.members:
            self.cluster.apply(applyset.owner(self.name, self.namespace, self._identities(self.before, self.after)))
        for obj in self.members:
            if self._differs(applyset.identity(obj)):
                self._write(obj)
        for key in reversed([key for key in self.before if key not in self.after]):
            self.cluster.delete(self.before[key])
        if self.members:
            self.cluster.apply(self.owner)

    def settle(self) -> None:
        """Wait until every member is available."""
        for obj in self.members:
            self._await(obj)

    def _take_in(self, found: t.Iterable[dict[str, t.Any]]) -> None:
        """Separate existing objects from those that are being deleted, alone or with their namespace."""
        for obj in sorted(found, key=lambda obj: obj["kind"] != "Namespace"):
            goes = obj["metadata"].get("deletionTimestamp") or _namespace(obj) in self.leaving
            (self.leaving if goes else self.before)[applyset.identity(obj)] = obj

    def _identities(self, *sides: Objects) -> set[applyset.Identity]:
        return {key for side in sides for key in side} - {applyset.identity(self.owner)}

    def _comes_with_the_set(self, obj: dict[str, t.Any]) -> bool:
        """Return whether the set itself creates the namespace or the kind of an object, so that it cannot be read yet."""
        namespace = _namespace(obj)
        if namespace not in self.before and any(applyset.identity(member) == namespace for member in self.members):
            return True
        return self.cluster.resource(obj["apiVersion"], obj["kind"]) is None and any(
            member["kind"] == "CustomResourceDefinition" and member["spec"]["names"]["kind"] == obj["kind"] for member in self.members
        )

    def _differs(self, key: applyset.Identity) -> bool:
        before, after = self.before.get(key), self.after[key]
        return before is None or applyset.comparable(before) != applyset.comparable(after)

    def _write(self, obj: dict[str, t.Any]) -> None:
        if applyset.identity(obj) in self.leaving:
            while self.cluster.get(obj) is not None:
                self.cluster.pause(lambda: f"{title(obj)} is still being deleted")
        self.cluster.apply(obj)
        if obj["kind"] == "CustomResourceDefinition":
            self._await(obj)
            self.cluster.forget()

    def _await(self, obj: dict[str, t.Any]) -> None:
        while True:
            found = self.cluster.get(obj)
            lacks = shortfall(found) if found else "does not exist"
            if not lacks:
                return
            self.cluster.pause(lambda found=found, lacks=lacks: "; ".join([f"{title(obj)} is not available: {lacks}", *self._pods(found)]))

    def _pods(self, obj: dict[str, t.Any] | None) -> list[str]:
        """Return the problems of the pods of an object, and of nodes that do not take them."""
        labels = ((obj or {}).get("spec", {}).get("selector") or {}).get("matchLabels")
        if not labels:
            return []
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        pods = self.cluster.list("", "Pod", obj["metadata"]["namespace"], labelSelector=selector)
        problems = [f"{title(pod)}: {problem}" for pod in pods if (problem := pod_problem(pod))]
        return problems + node_problems(pods, self.cluster.list("", "Node"))


def main() -> None:
    """Apply a set of objects and prune others."""
    secret = {
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str", "required": True},
        "type": {"type": "str", "default": "Opaque"},
        "data": {"type": "dict", "required": True, "no_log": True},
    }
    module = AnsibleModule(
        argument_spec={
            **OPTIONS,
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "default": "kube-system"},
            "objects": {"type": "list", "elements": "dict", "required": True},
            "secrets": {"type": "list", "elements": "dict", "default": [], "options": secret, "no_log": False},
            "wait": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    objects = [*map(as_object, module.params["secrets"]), *module.params["objects"]]
    try:
        cluster = administrator(module.params, module.check_mode)
        wanted = Set(cluster, module.params["name"], module.params["namespace"], objects)
        wanted.observe()
        wanted.predict()
        before, after = applyset.differences(wanted.before, wanted.after)
        settle = wanted.settle if module.params["wait"] else lambda: None
        pruned = sorted(before.keys() - after.keys())
        finish(module, before, after, apply=wanted.apply, settle=settle, applied=list(after), pruned=pruned)
    except MissingBinding as error:
        module.warn(str(error))
        finish(module, {}, {title(BINDING): BINDING}, apply=None, applied=[], pruned=[])
    except (HostError, KubernetesError) as error:
        if module.check_mode and isinstance(error, Unavailable):
            _before, after = applyset.differences({}, {applyset.identity(obj): obj for obj in objects})
            finish_unread(module, error, after, applied=list(after), pruned=[])
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: smoke_tests
short_description: Test a cluster with workloads
description:
  - Runs all checks in parallel against the workloads of role P(cfcr.kubernetes.smoke_tests#role), and reports each with its time. The module
    does not fail if a check fails.
  - Deletes the pod of the StatefulSet C(identity), to check that it comes back.
version_added: "0.9.0"
author:
  - The cfcr.kubernetes maintainers (@cfcr)
options:
  kubeconfig:
    description: File of a kubeconfig with embedded certificates.
    type: path
    required: true
  kubectl:
    description: Program kubectl, a path or a name in PATH.
    type: str
    default: kubectl
  namespace:
    description: Namespace of the workloads.
    type: str
    required: true
  cluster_domain:
    description: DNS domain of services and pods.
    type: str
    default: cluster.local
  front_host:
    description: Name or address under which the Service C(front) is reached from outside.
    type: str
    required: true
  front_port:
    description: Port on O(front_host). Default is the node port of the Service C(front).
    type: int
  metrics:
    description: Whether the cluster runs metrics-server.
    type: bool
    default: true
  timeout:
    description: Seconds within which each check must pass.
    type: int
    default: 60
extends_documentation_fragment: [cfcr.kubernetes._attributes]
attributes:
  check_mode:
    support: none
  diff_mode:
    support: none
"""

EXAMPLES = r"""
- name: Test the cluster
  cfcr.kubernetes.smoke_tests:
    kubeconfig: /var/lib/cfcr/cfcr/kubeconfig
    namespace: cfcr-smoke-tests
    front_host: 10.30.0.91
    front_port: 8080
"""

RETURN = r"""
checks:
  description: The checks, in order. Only the first one if the workloads did not start.
  returned: success
  type: list
  elements: dict
  contains:
    check:
      description: Name of the check.
      type: str
    ok:
      description: Whether it passed.
      type: bool
    seconds:
      description: Seconds that it took.
      type: float
    detail:
      description: Result of the check, or the reason of its failure.
      type: str
  sample: [{check: kubectl exec, ok: true, seconds: 0.4, detail: app version development}]
service_address:
  description: Address of the Service C(web). Empty if the workloads did not start.
  returned: success
  type: str
  sample: 10.100.200.57
"""

import typing as t
import urllib.request

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils import _checks
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.availability import node_problems, pod_problem, shortfall
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import Kubernetes, KubernetesError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.kubectl import Kubectl

PORT = 8080
REQUEST_SECONDS = 5

Object = t.Dict[str, t.Any]


def fetch(url: str) -> str:
    """Return the answer of a URL, without a proxy from the environment."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=REQUEST_SECONDS) as answer:
            return answer.read(500).decode(errors="replace").strip()
    except OSError as error:
        raise KubernetesError(f"{url}: {error}") from error


def expect(condition: bool, problem: str) -> None:
    """Raise a KubernetesError with the problem unless the condition holds."""
    if not condition:
        raise KubernetesError(problem)


class SmokeTests:
    """The checks by their names in the report. Each returns its result, and raises a KubernetesError while it fails."""

    def __init__(self, params: dict[str, t.Any]) -> None:
        self.params = params
        self.namespace = params["namespace"]
        self.kubectl = Kubectl(params["kubectl"], params["kubeconfig"], params["namespace"])
        self.pods: list[Object] = []
        self.service: Object = {}
        self.deleted = ""

    def first(self) -> dict[str, t.Callable[[], str]]:
        """Return the check that all others need."""
        return {"deployment on every worker": self.deployment}

    def others(self) -> dict[str, t.Callable[[], str]]:
        """Return all other checks."""
        checks = {
            "pod to pod across hosts": self.pod_to_pod,
            "service by address from a pod": lambda: self.from_pods(self.service["spec"]["clusterIP"]),
            "service by name from a pod": lambda: self.from_pods(f"web.{self.namespace}.svc.{self.params['cluster_domain']}"),
            "node port through the front": self.front,
            "kubectl exec": self.kubectl_exec,
            "kubectl logs": self.kubectl_logs,
            "kubectl port-forward": self.kubectl_port_forward,
            "statefulset keeps its identity": self.identity,
        }
        return {**checks, "kubectl top nodes": self.kubectl_top} if self.params["metrics"] else checks

    def deployment(self) -> str:
        """The Deployment is available, with a pod on every worker."""
        cluster = self.cluster()
        found = self.read(cluster, "apps/v1", "Deployment", "web")
        self.service = self.read(cluster, "v1", "Service", "web")
        self.pods = cluster.list("", "Pod", self.namespace, labelSelector="app=web")
        problems = [f"{pod['metadata']['name']}: {problem}" for pod in self.pods if (problem := pod_problem(pod))]
        lacks, nodes = shortfall(found), cluster.list("", "Node")
        expect(not lacks, "; ".join([lacks, *problems, *node_problems(self.pods, nodes)]))
        self.pods = [pod for pod in self.pods if not pod["metadata"].get("deletionTimestamp")]
        without = {node["metadata"]["name"] for node in nodes} - {pod["spec"]["nodeName"] for pod in self.pods}
        expect(not without, f"no pod on {', '.join(sorted(without))}")
        return f"{len(self.pods)} pods on {len(nodes)} workers"

    def pod_to_pod(self) -> str:
        """Every pod reaches every other one by its address."""
        cluster = self.cluster()
        pairs = [(source, target) for source in self.pods for target in self.pods if source is not target]
        for source, target in pairs:
            answer = self.dial(cluster, source, target["status"]["podIP"], PORT)
            expect(answer == [target["metadata"]["name"]], f"{target['status']['podIP']} answers {answer}")
        return f"{len(pairs)} connections"

    def from_pods(self, host: str) -> str:
        """The Service answers every pod."""
        cluster = self.cluster()
        names = {pod["metadata"]["name"] for pod in self.pods}
        for source in self.pods:
            answer = self.dial(cluster, source, host, 80)
            expect(bool(answer) and names.issuperset(answer), f"{host} answers {answer}")
        return host

    def front(self) -> str:
        """The node port answers from outside."""
        port = self.params["front_port"]
        if not port:
            port = self.read(self.cluster(), "v1", "Service", "front")["spec"]["ports"][0]["nodePort"]
        url = f"http://{self.params['front_host']}:{port}/hostname"
        answer = fetch(url)
        names = {pod["metadata"]["name"] for pod in self.cluster().list("", "Pod", self.namespace, labelSelector="app=front")}
        expect(answer in names, f"{url} answers {answer}")
        return url

    def kubectl_exec(self) -> str:
        """A command runs in a pod and its output arrives."""
        answer = self.kubectl.run("exec", self.pods[0]["metadata"]["name"], "--", "/agnhost", "--version")
        expect(" version " in answer, f"answers {answer}")
        return answer

    def kubectl_logs(self) -> str:
        """Read the log of a pod."""
        answer = self.kubectl.run("logs", self.pods[-1]["metadata"]["name"])
        expect("Started HTTP server" in answer, f"answers {answer}")
        return answer.splitlines()[0]

    def kubectl_port_forward(self) -> str:
        """A port of a pod answers on this host."""
        name = self.pods[0]["metadata"]["name"]
        with self.kubectl.forwarded(name, PORT) as address:
            answer = fetch(f"http://{address}/hostname")
        expect(answer == name, f"{address} answers {answer}")
        return f"{address} was {name}"

    def kubectl_top(self) -> str:
        """Every node has metrics. The first ones take two rounds of metrics-server."""
        cluster = self.cluster()
        nodes = {node["metadata"]["name"] for node in cluster.list("", "Node")}
        measured = {item["metadata"]["name"] for item in cluster.list("metrics.k8s.io", "NodeMetrics")}
        expect(nodes == measured, f"no metrics of {', '.join(sorted(nodes - measured))}")
        answer = self.kubectl.run("top", "nodes", "--no-headers")
        expect(len(answer.splitlines()) == len(nodes), f"answers {answer}")
        return "; ".join(" ".join(line.split()) for line in answer.splitlines())

    def identity(self) -> str:
        """A deleted pod of a StatefulSet comes back under its name, also in the DNS."""
        cluster = self.cluster()
        lacks = shortfall(self.read(cluster, "apps/v1", "StatefulSet", "identity"))
        expect(not lacks, lacks)
        pod = self.read(cluster, "v1", "Pod", "identity-0")
        if not self.deleted:
            self.deleted = pod["metadata"]["uid"]
            cluster.delete(pod)
        expect(pod["metadata"]["uid"] != self.deleted, "identity-0 is not deleted yet")
        answer = self.dial(cluster, self.pods[0], f"identity-0.identity.{self.namespace}.svc.{self.params['cluster_domain']}", PORT)
        expect(answer == ["identity-0"], f"its name answers {answer}")
        return f"identity-0 is another pod on {pod['spec']['nodeName']}"

    def cluster(self) -> Kubernetes:
        """Return a connection for one check."""
        return Kubernetes(self.params["kubeconfig"], REQUEST_SECONDS)

    def read(self, cluster: Kubernetes, api_version: str, kind: str, name: str) -> Object:
        """Return an object of the namespace."""
        found = cluster.get({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": self.namespace}})
        expect(found is not None, f"{kind} {self.namespace}/{name} does not exist")
        return found

    def dial(self, cluster: Kubernetes, source: Object, host: str, port: int) -> list[str]:
        """Return the pods that answer a pod at an address or name. The API server asks the pod to connect."""
        name = source["metadata"]["name"]
        path = f"/api/v1/namespaces/{self.namespace}/pods/http:{name}:{PORT}/proxy/dial"
        answer = cluster.request("GET", path, host=host, port=port, request="hostname", protocol="http", tries=1)
        expect(bool(answer and answer.get("responses")), f"{name} to {host}:{port}: {answer}")
        return answer["responses"]


def main() -> None:
    """Run the checks and report them."""
    module = AnsibleModule(
        argument_spec={
            "kubeconfig": {"type": "path", "required": True},
            "kubectl": {"type": "str", "default": "kubectl"},
            "namespace": {"type": "str", "required": True},
            "cluster_domain": {"type": "str", "default": "cluster.local"},
            "front_host": {"type": "str", "required": True},
            "front_port": {"type": "int"},
            "metrics": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 60},
        },
    )
    tests = SmokeTests(module.params)
    seconds = module.params["timeout"]
    checks = _checks.run(tests.first(), seconds, KubernetesError)
    if not checks[0]["ok"]:
        module.exit_json(changed=False, checks=checks, service_address="")
    checks += _checks.run(tests.others(), seconds, KubernetesError)
    module.exit_json(changed=False, checks=checks, service_address=tests.service["spec"]["clusterIP"])


if __name__ == "__main__":
    main()

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask a living cluster about the controls of controls.yml.

A check names where it looks, and what it expects there:

  files      {hosts, path, mode, owner}: every file of the pattern has at most this mode, and one of these owners; there is at least one
  flag       {unit, name, …}: the flag of the running process, on every host that runs the unit; there is at least one
  document   {hosts, path, at, …}: a value of a YAML file; `at` is its path, joined by dots
  kubelet    {at, …}: a value of the configuration that each kubelet says it has
  cluster    {probe, …}: a method of this name below

An expectation is one of: is, has (one of several values, or a key), lacks, within (all values are in the list), at_least, starts, present, absent.
Each check returns the problems that it found.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import typing as t

Json = t.Any
Check = t.Dict[str, t.Any]

# Bindings that Kubernetes itself creates, and roles that it owns.
BOOTSTRAP = ("kubernetes.io/bootstrapping", "rbac-defaults")
# The namespaces of a new cluster.
SYSTEM = ("default", "kube-node-lease", "kube-public", "kube-system")
_NOTHING = object()


@dataclasses.dataclass(frozen=True)
class Cluster:
    """A cluster: what its hosts say, and a way to ask its API."""

    groups: t.Mapping[str, t.Sequence[str]]
    hosts: t.Mapping[str, Json]  # what _host.py prints
    kubeconfig: str  # the path of the administrator's on the director
    administrator: t.Collection[str]  # the groups of its certificate
    get: t.Callable[..., Json]  # an object or list of the API, by the arguments of kubectl get
    create: t.Callable[[Json], str]  # what a dry run on the server says to an object; empty if it is accepted
    anonymous: t.Callable[[str], int]  # the status of an API server of a host for a request without credentials

    def problems(self, check: Check) -> list[str]:
        """Return why a check fails."""
        ((kind, options),) = check.items()
        return list(getattr(self, f"_{kind}")(**options))

    def verdict(self, control: Json) -> tuple[str, list[str]]:
        """Return the verdict of a control, and the problems behind it."""
        if "checks" not in control:
            return "not applicable", []
        problems = [problem for check in control["checks"] for problem in self.problems(check)]
        return ("deviation" if problems else "pass"), problems

    def _in(self, pattern: str) -> list[str]:
        return [host for group in pattern.split(":") for host in self.groups.get(group, ())]

    def _files(self, hosts: str, path: str, mode: str = "0777", owner: t.Collection[str] = ()) -> t.Iterator[str]:
        path = path.format(kubeconfig=self.kubeconfig)
        found = [
            (host, name, status) for host in self._in(hosts) for name, status in self.hosts[host]["files"].items() if fnmatch.fnmatch(name, path)
        ]
        if not found:
            yield f"{path}: not found on any host of {hosts}"
        for host, name, status in found:
            if int(status["mode"], 8) & ~int(mode, 8):
                yield f"{host}: {name} has mode {status['mode']}"
            if owner and (status["owner"] not in owner or status["group"] not in owner):
                yield f"{host}: {name} belongs to {status['owner']}:{status['group']}"

    def _flag(self, unit: str, name: str, **expected: t.Any) -> t.Iterator[str]:
        found = {host: facts["units"][unit].get(name, _NOTHING) for host, facts in self.hosts.items() if unit in facts["units"]}
        if not found:
            yield f"{unit}: does not run on any host"
        for host, value in found.items():
            values = value.split(",") if isinstance(value, str) and ("has" in expected or "lacks" in expected or "within" in expected) else value
            if problem := unexpected(values, expected):
                yield f"{host}: {unit} --{name} {problem}"

    def _document(self, hosts: str, path: str, at: str, **expected: t.Any) -> t.Iterator[str]:
        for host in self._in(hosts):
            if problem := unexpected(at_path(self.hosts[host]["documents"].get(path, {}), at), expected):
                yield f"{host}: {path} {at} {problem}"

    def _kubelet(self, at: str, **expected: t.Any) -> t.Iterator[str]:
        nodes = [item["metadata"]["name"] for item in self.get("nodes")["items"]]
        if not nodes:
            yield "no nodes"
        for node in nodes:
            configuration = self.get("--raw", f"/api/v1/nodes/{node}/proxy/configz")["kubeletconfig"]
            if problem := unexpected(at_path(configuration, at), expected):
                yield f"{node}: {at} {problem}"

    def _cluster(self, probe: str, **options: t.Any) -> t.Iterator[str]:
        yield from getattr(self, probe)(**options)

    # Probes

    def anonymous_is_refused(self) -> t.Iterator[str]:
        for host in self.groups["master"]:
            status = self.anonymous(host)
            if status != 401:
                yield f"{host}: answers {status} to a request without credentials"

    def etcd_has_its_own_ca(self) -> t.Iterator[str]:
        digests = [{digest for path, digest in facts["authorities"].items() if ("etcd" in path) == of_etcd} for of_etcd in (True, False)
                   for facts in (self._all_authorities(),)]  # fmt: skip
        if not all(digests) or digests[0] & digests[1]:
            yield "etcd and Kubernetes share a CA, or one of them has none"

    def _all_authorities(self) -> Json:
        return {"authorities": {f"{host}:{path}": digest for host, facts in self.hosts.items() for path, digest in facts["authorities"].items()}}

    def no_token_secrets(self) -> t.Iterator[str]:
        for item in self.get("secrets", "--all-namespaces")["items"]:
            if item["type"] in ("kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"):
                yield f"Secret {item['metadata']['namespace']}/{item['metadata']['name']} holds a token"

    def audit_covers_key_concerns(self) -> t.Iterator[str]:
        """Reads and writes of Secrets by everybody, and the bodies of changes to RBAC."""
        for host in self.groups["master"]:
            rules = self.hosts[host]["documents"]["/etc/kubernetes/audit-policy.yaml"]["rules"]
            for resource, group, least in (("secrets", "", "Metadata"), ("clusterrolebindings", "rbac.authorization.k8s.io", "RequestResponse")):
                matching = [rule for rule in rules if covers(rule, group, resource)]
                if not matching or matching[0].get("users") or matching[0].get("userGroups") or matching[0]["level"] != least:
                    yield f"{host}: the first rule for {resource} is {matching[:1]}"

    def cluster_admin_is_bound_to(self, subjects: t.Sequence[str]) -> t.Iterator[str]:
        for subject, binding in self._subjects(lambda role: role == "cluster-admin"):
            if subject not in subjects:
                yield f"{binding} binds cluster-admin to {subject}"

    def administrator_is_not_in(self, group: str) -> t.Iterator[str]:
        if group in self.administrator:
            yield f"the administrator's certificate is in {group}"

    def granted_to_nobody(self, rules: t.Sequence[Json], **others: t.Sequence[str]) -> t.Iterator[str]:
        """Roles of Kubernetes' own, such as edit, grant much; they count where somebody is bound to them."""
        roles = {role["metadata"]["name"]: role.get("rules") or [] for role in self._roles()}
        for rule in rules:
            granting = {name for name, granted in roles.items() if any(grants(one, rule["resource"], verb) for one in granted for verb in rule["verbs"])}
            for subject, binding in self._subjects(granting.__contains__, bootstrap=False):
                if subject not in others.get("except", ()) and subject not in self._administrators():
                    yield f"{binding} grants {'/'.join(rule['verbs'])} of {rule['resource']} to {subject}"

    def no_wildcards(self) -> t.Iterator[str]:
        for role in self._roles():
            if role["metadata"].get("labels", {}).get(BOOTSTRAP[0]) != BOOTSTRAP[1]:
                for rule in role.get("rules") or []:
                    if "*" in [*rule.get("verbs", []), *rule.get("resources", []), *rule.get("apiGroups", [])]:
                        yield f"{role['kind']} {role['metadata']['name']} has a wildcard"

    def default_accounts_mount_no_token(self) -> t.Iterator[str]:
        for item in self.get("serviceaccounts", "--all-namespaces", "--field-selector=metadata.name=default")["items"]:
            if item["metadata"]["namespace"] in SYSTEM and item.get("automountServiceAccountToken") is not False:
                yield f"ServiceAccount {item['metadata']['namespace']}/default mounts its token"

    def tokens_are_mounted_by(self, pods: t.Sequence[str]) -> t.Iterator[str]:
        for pod in self._pods():
            mounts = [source for volume in pod["spec"].get("volumes", []) for source in volume.get("projected", {}).get("sources", [])]
            if any("serviceAccountToken" in source for source in mounts) and not pod["metadata"]["name"].startswith(tuple(pods)):
                yield f"pod {pod['metadata']['name']} has a token"

    def pod_is_refused(self, pod: Json | None = None, container: Json | None = None) -> t.Iterator[str]:
        """A pod of the namespace default that would pass the level restricted, but for this."""
        context = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        ours = container or {}
        one = {"name": "cis", "image": "cis", **ours, "securityContext": {**context, **ours.get("securityContext", {})}}
        if one["securityContext"].get("privileged"):
            del one["securityContext"]["allowPrivilegeEscalation"]
        spec = {**(pod or {}), "containers": [one]}
        spec["securityContext"] = {"runAsNonRoot": True, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}, **spec.get("securityContext", {})}
        if spec["securityContext"]["runAsUser"] == 0:
            del spec["securityContext"]["runAsNonRoot"]
        said = self.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "cis", "namespace": "default"}, "spec": spec})
        if "violates PodSecurity" not in said:
            yield f"a pod with {pod or container} is accepted: {said}" if not said else f"a pod with {pod or container} is refused for another reason: {said}"

    def network_policies_are_enforced(self) -> t.Iterator[str]:
        yield "flannel enforces no NetworkPolicy"

    def namespaces_have_network_policies(self) -> t.Iterator[str]:
        having = {item["metadata"]["namespace"] for item in self.get("networkpolicies", "--all-namespaces")["items"]}
        for item in self.get("namespaces")["items"]:
            if item["metadata"]["name"] not in having:
                yield f"namespace {item['metadata']['name']} has no NetworkPolicy"

    def no_secrets_in_environments(self) -> t.Iterator[str]:
        for pod in self._pods():
            for container in pod["spec"]["containers"]:
                if any("secretKeyRef" in entry.get("valueFrom", {}) for entry in container.get("env", [])) or any(
                    "secretRef" in entry for entry in container.get("envFrom", [])
                ):
                    yield f"pod {pod['metadata']['name']} has a Secret in its environment"

    def pods_have_seccomp(self) -> t.Iterator[str]:
        for pod in self._pods():
            profile = pod["spec"].get("securityContext", {}).get("seccompProfile", {}).get("type")
            for container in pod["spec"]["containers"]:
                if container.get("securityContext", {}).get("seccompProfile", {}).get("type", profile) != "RuntimeDefault":
                    yield f"pod {pod['metadata']['name']}, container {container['name']}: no seccomp profile"

    def pods_have_security_contexts(self) -> t.Iterator[str]:
        for pod in self._pods():
            for container in pod["spec"]["containers"]:
                context = container.get("securityContext", {})
                if context.get("allowPrivilegeEscalation") is not False or "ALL" not in context.get("capabilities", {}).get("drop", []):
                    yield f"pod {pod['metadata']['name']}, container {container['name']}: {context}"

    def _pods(self) -> list[Json]:
        return self.get("pods", "--namespace=kube-system")["items"]

    def _roles(self) -> list[Json]:
        return self.get("clusterroles")["items"] + self.get("roles", "--all-namespaces")["items"]

    def _administrators(self) -> set[str]:
        return {subject for subject, _binding in self._subjects(lambda role: role == "cluster-admin")}

    def _subjects(self, wanted: t.Callable[[str], bool], bootstrap: bool = True) -> t.Iterator[tuple[str, str]]:
        """Return the subjects of bindings to the roles that are wanted, each with its binding."""
        for binding in self.get("clusterrolebindings")["items"] + self.get("rolebindings", "--all-namespaces")["items"]:
            if not bootstrap and binding["metadata"].get("labels", {}).get(BOOTSTRAP[0]) == BOOTSTRAP[1]:
                continue
            if wanted(binding["roleRef"]["name"]):
                for subject in binding.get("subjects") or []:
                    yield f"{subject['kind']} {subject['name']}", f"{binding['kind']} {binding['metadata']['name']}"


def unexpected(value: t.Any, expected: t.Mapping[str, t.Any]) -> str:
    """Return how a value differs from what is expected; nothing if it does not."""
    there = value is not _NOTHING
    shown = f"is {value}" if there else "is not set"
    values = value if isinstance(value, (list, dict)) else [value] if there else []
    for what, wanted in expected.items():
        right = {
            "is": lambda: there and value == wanted,
            "has": lambda: wanted in values,
            "lacks": lambda: wanted not in values,
            "within": lambda: there and bool(values) and set(values) <= set(wanted),
            "at_least": lambda: there and int(value) >= wanted,
            "starts": lambda: there and str(value).startswith(wanted),
            "present": lambda: there and value not in ("", None),
            "absent": lambda: not there,
        }[what]
        if not right():
            return f"{shown}, expected {what} {wanted}"
    return ""


def at_path(document: Json, path: str) -> t.Any:
    """Return a value of a document, or _NOTHING."""
    for key in path.split("."):
        if isinstance(document, list):
            document = document[int(key)] if int(key) < len(document) else _NOTHING
        else:
            document = document.get(key, _NOTHING) if isinstance(document, dict) else _NOTHING
    return document


def covers(rule: Json, group: str, resource: str) -> bool:
    """Return whether a rule of an audit policy can hold for requests of a resource; rules for other resources or only for paths cannot."""
    if rule.get("nonResourceURLs"):
        return False
    resources = rule.get("resources")
    return not resources or any(
        entry.get("group", "") == group and (not entry.get("resources") or resource in entry["resources"]) for entry in resources
    )


def grants(rule: Json, resource: str, verb: str) -> bool:
    """Return whether a rule of a role grants a verb on a resource, and not only on objects of certain names."""
    if rule.get("resourceNames"):
        return False
    kinds, verbs = rule.get("resources", []), rule.get("verbs", [])
    subresource = f"*/{resource.partition('/')[2]}" if "/" in resource else None
    return bool({"*", resource, subresource} & set(kinds)) and bool({"*", verb} & set(verbs))

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every kind of check of the CIS benchmark finds what is wrong, and the controls are complete."""

from __future__ import annotations

import copy
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "cis"))

from _cluster import Cluster, unexpected  # noqa: E402 (it lies in tests/cis)
from _table import PAGE, controls, filled, table  # noqa: E402

KEY = "/etc/kubernetes/pki/x.key"
POLICY = "/etc/kubernetes/audit-policy.yaml"
RULES = [{"level": "Metadata", "resources": [{"group": "", "resources": ["secrets"]}]},
         {"level": "RequestResponse", "resources": [{"group": "rbac.authorization.k8s.io"}]}]  # fmt: skip
HOST = {
    "units": {"kube-apiserver": {"profiling": "false", "authorization-mode": "Node,RBAC", "audit-log-maxage": "30"}},
    "files": {KEY: {"mode": "0600", "owner": "root", "group": "root"}},
    "documents": {"/d.yaml": {"a": [{"b": 1}]}, POLICY: {"rules": RULES}},
    "authorities": {"/etc/kubernetes/pki/kubernetes-ca.crt": "1", "/etc/kubernetes/pki/etcd-ca.crt": "2"},
}


def role(name, *rules, kind="ClusterRole"):
    return {"kind": kind, "metadata": {"name": name}, "rules": list(rules)}


def binding(name, role_name, *subjects, labels=None):
    names = [dict(zip(("kind", "name"), subject.split(" ", 1))) for subject in subjects]
    return {"kind": "ClusterRoleBinding", "metadata": {"name": name, "labels": labels or {}}, "roleRef": {"name": role_name}, "subjects": names}


READS = {"resources": ["secrets"], "verbs": ["get"], "apiGroups": [""]}
OBJECTS = {
    "nodes": [{"metadata": {"name": "n"}}],
    "clusterroles": [role("cluster-admin", {"resources": ["*"], "verbs": ["*"]}), role("reader", READS)],
    "roles": [],
    "clusterrolebindings": [binding("cluster-admin", "cluster-admin", "Group system:masters", labels={"kubernetes.io/bootstrapping": "rbac-defaults"})],
    "rolebindings": [],
    "secrets": [],
    "serviceaccounts": [{"metadata": {"namespace": "default", "name": "default"}, "automountServiceAccountToken": False}],
    "namespaces": [{"metadata": {"name": "default"}}],
    "networkpolicies": [{"metadata": {"namespace": "default"}}],
    "pods": [
        {
            "metadata": {"name": "coredns-1"},
            "spec": {
                "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
                "volumes": [{"projected": {"sources": [{"serviceAccountToken": {}}]}}],
                "containers": [{"name": "c", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}],
            },
        }
    ],
}


class Fake:
    """The parts of a cluster, which tests change."""

    def __init__(self):
        self.host, self.objects = copy.deepcopy(HOST), copy.deepcopy(OBJECTS)
        self.kubelet, self.said, self.status, self.groups = {"podPidsLimit": 9, "x": {"y": False}}, "pods violates PodSecurity", 401, ["cfcr"]

    def get(self, *arguments):
        return {"kubeletconfig": self.kubelet} if arguments[0] == "--raw" else {"items": self.objects[arguments[0]]}

    def problems(self, **check):
        cluster = Cluster({"master": ["m"]}, {"m": self.host}, KEY, self.groups, self.get, lambda _manifest: self.said, lambda _host: self.status)
        return cluster.problems(check)


@pytest.fixture
def fake():
    return Fake()


def test_the_controls_are_complete():
    ids = [control["id"] for control in controls()]
    assert len(ids) == len(set(ids)) == 131
    for control in controls():
        assert control["verdict"] in ("pass", "deviation", "not applicable"), control["id"]
        assert ("checks" in control) == (control["verdict"] != "not applicable"), control["id"]
        assert control["verdict"] == "pass" or len(control["reason"]) > 20, control["id"]


def test_the_page_has_the_expected_verdicts():
    page = PAGE.read_text(encoding="utf-8")
    assert page == filled(page, table({control["id"]: control["verdict"] for control in controls()}))


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"mode": "0640"}, "m: /etc/kubernetes/pki/x.key has mode 0640"),
        ({"owner": "daemon"}, "m: /etc/kubernetes/pki/x.key belongs to daemon:root"),
        ({"group": "adm"}, "m: /etc/kubernetes/pki/x.key belongs to root:adm"),
    ],
)
def test_files(fake, wrong, problem):
    check = {"hosts": "master", "path": "/etc/kubernetes/pki/*.key", "mode": "0600", "owner": ["root"]}
    assert fake.problems(files=check) == [] == fake.problems(files={**check, "path": "{kubeconfig}"})
    fake.host["files"][KEY].update(wrong)
    assert fake.problems(files=check) == [problem]
    fake.host["files"].clear()
    assert fake.problems(files=check) == ["/etc/kubernetes/pki/*.key: not found on any host of master"]


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("profiling", {"is": "false"}, {"is": "true"}),
        ("authorization-mode", {"has": "RBAC"}, {"has": "ABAC"}),
        ("authorization-mode", {"lacks": "AlwaysAllow"}, {"lacks": "Node"}),
        ("authorization-mode", {"within": ["RBAC", "Node"]}, {"within": ["RBAC"]}),
        ("audit-log-maxage", {"at_least": 30}, {"at_least": 31}),
        ("profiling", {"present": True}, {"absent": True}),
        ("nothing", {"absent": True}, {"present": True}),
        ("nothing", {"lacks": "x"}, {"is": "x"}),
        ("nothing", {"lacks": "x"}, {"within": ["x"]}),
        ("nothing", {"lacks": "x"}, {"at_least": 0}),
    ],
)
def test_flags(fake, name, right, wrong):
    assert fake.problems(flag={"unit": "kube-apiserver", "name": name, **right}) == []
    assert len(fake.problems(flag={"unit": "kube-apiserver", "name": name, **wrong})) == 1
    assert fake.problems(flag={"unit": "etcd", "name": name, **right}) == ["etcd: does not run on any host"]


def test_documents_and_kubelets(fake):
    document = {"hosts": "master", "path": "/d.yaml", "at": "a.0.b"}
    assert fake.problems(document={**document, "is": 1}) == []
    for wrong in ({**document, "is": 2}, {**document, "at": "a.1.b", "present": True}, {**document, "path": "/e.yaml", "present": True}):
        assert len(fake.problems(document=wrong)) == 1
    assert fake.problems(kubelet={"at": "x.y", "is": False}) == [] == fake.problems(kubelet={"at": "podPidsLimit", "at_least": 1})
    assert fake.problems(kubelet={"at": "x.z", "is": False}) == ["n: x.z is not set, expected is False"]
    fake.objects["nodes"] = []
    assert fake.problems(kubelet={"at": "x.y", "is": False}) == ["no nodes"]


SUBJECT = {"subjects": ["Group system:masters"]}
RULE = {"rules": [{"resource": "secrets", "verbs": ["get"]}]}


@pytest.mark.parametrize(
    ("probe", "break_it"),
    [
        ({"probe": "anonymous_is_refused"}, lambda fake: setattr(fake, "status", 200)),
        ({"probe": "etcd_has_its_own_ca"}, lambda fake: fake.host["authorities"].update({"/etc/etcd/pki/ca.crt": "1"})),
        ({"probe": "etcd_has_its_own_ca"}, lambda fake: fake.host["authorities"].clear()),
        ({"probe": "no_token_secrets"}, lambda fake: fake.objects["secrets"].append(
            {"type": "kubernetes.io/service-account-token", "metadata": {"namespace": "n", "name": "s"}})),
        ({"probe": "audit_covers_key_concerns"}, lambda fake: fake.host["documents"][POLICY]["rules"].pop(0)),
        ({"probe": "audit_covers_key_concerns"}, lambda fake: fake.host["documents"][POLICY]["rules"].insert(0, {"level": "None", "userGroups": ["g"]})),
        ({"probe": "audit_covers_key_concerns"}, lambda fake: fake.host["documents"][POLICY]["rules"][1].update(level="Metadata")),
        ({"probe": "cluster_admin_is_bound_to", **SUBJECT}, lambda fake: fake.objects["clusterrolebindings"].append(binding("b", "cluster-admin", "User x"))),
        ({"probe": "administrator_is_not_in", "group": "system:masters"}, lambda fake: fake.groups.append("system:masters")),
        ({"probe": "granted_to_nobody", **RULE}, lambda fake: fake.objects["rolebindings"].append(binding("b", "reader", "User x"))),
        ({"probe": "no_wildcards"}, lambda fake: fake.objects["roles"].append(role("r", {"resources": ["*"], "verbs": ["get"]}, kind="Role"))),
        ({"probe": "default_accounts_mount_no_token"}, lambda fake: fake.objects["serviceaccounts"][0].pop("automountServiceAccountToken")),
        ({"probe": "tokens_are_mounted_by", "pods": ["coredns"]}, lambda fake: fake.objects["pods"][0]["metadata"].update(name="other")),
        ({"probe": "pod_is_refused", "pod": {"hostPID": True}}, lambda fake: setattr(fake, "said", "")),
        ({"probe": "pod_is_refused", "container": {"securityContext": {"privileged": True}}}, lambda fake: setattr(fake, "said", "no such namespace")),
        ({"probe": "namespaces_have_network_policies"}, lambda fake: fake.objects["networkpolicies"].clear()),
        ({"probe": "no_secrets_in_environments"}, lambda fake: fake.objects["pods"][0]["spec"]["containers"][0].update(
            env=[{"valueFrom": {"secretKeyRef": {}}}])),
        ({"probe": "pods_have_seccomp"}, lambda fake: fake.objects["pods"][0]["spec"].pop("securityContext")),
        ({"probe": "pods_have_security_contexts"}, lambda fake: fake.objects["pods"][0]["spec"]["containers"][0].pop("securityContext")),
    ],
)  # fmt: skip
def test_probes(fake, probe, break_it):
    if probe["probe"] == "no_wildcards":
        fake.objects["clusterroles"][0]["metadata"]["labels"] = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    assert fake.problems(cluster=probe) == []
    break_it(fake)
    assert len(fake.problems(cluster=probe)) >= 1


def test_a_grant_may_be_excepted(fake):
    fake.objects["rolebindings"].append(binding("b", "reader", "User x"))
    assert fake.problems(cluster={"probe": "granted_to_nobody", **RULE, "except": ["User x"]}) == []


def test_a_starting_text():
    assert unexpected("127.0.0.1:1", {"starts": "127.0.0.1:"}) == "" and unexpected("0.0.0.0:1", {"starts": "127.0.0.1:"})

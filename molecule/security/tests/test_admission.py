# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limits for people and pods: Pod Security, external IPs, events, processes, tokens, TLS, audit, and the check before a stricter level."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import typing as t

import pytest
from playbook import Run
from scenario import DIRECTORY, addresses, agnhost, api_answers, apply, get, host, kubectl, on, wait

NAMESPACE, RESTRICTED = "admission", "admission-restricted"
# It tries one version and one list of ciphers of TLS, and prints the result of the handshake.
HANDSHAKE = """
import socket, ssl, sys
address, port, version, ciphers, *certificate = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.set_ciphers(ciphers + ":@SECLEVEL=0")
context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
if certificate:
    context.load_cert_chain(*certificate)
try:
    with socket.create_connection((address, int(port)), 5) as connection, context.wrap_socket(connection) as tls:
        print(tls.version(), tls.cipher()[0])
except ssl.SSLError as error:
    print(error.reason)
"""
ETCD = "/etc/etcd/pki/{0}.crt /etc/etcd/pki/{0}.key"
TLS_PORTS = {  # where a test connects from, and to which address and port, with which certificate
    "kube-apiserver": ("master-0", "master-0", 8443, ""),
    "kube-apiserver through the proxy": ("master-0", "proxy-0", 8443, ""),
    "kube-controller-manager": ("master-0", "", 10257, ""),
    "kube-scheduler": ("master-0", "", 10259, ""),
    "kubelet": ("master-0", "worker-0", 10250, ""),
    "etcd": ("etcd-0", "etcd-0", 2379, ETCD.format("server")),
    "etcd's peers": ("etcd-0", "etcd-0", 2380, ETCD.format("peer")),
}


def refused(*arguments: str, **options: t.Any) -> str:
    """Return what kubectl says when it fails."""
    command = [DIRECTORY / "bin/kubectl", f"--kubeconfig={DIRECTORY}/kubeconfig", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, **options)
    assert done.returncode != 0, done.stdout
    return done.stderr


def pod(name: str, namespace: str, **spec: t.Any) -> dict[str, t.Any]:
    """Return a pod that passes restricted, but for what is given."""
    container = {
        "name": "main",
        "image": agnhost(),
        "imagePullPolicy": "Never",
        "command": ["/agnhost", "pause"],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        **spec.pop("container", {}),
    }
    context = {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}}
    base = {"terminationGracePeriodSeconds": 1, "securityContext": context, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": {**base, **spec}}


def with_host_path(name: str, namespace: str) -> dict[str, t.Any]:
    return pod(name, namespace, volumes=[{"name": "etc", "hostPath": {"path": "/etc"}}])


def as_alice(obj: dict[str, t.Any]) -> str:
    return refused("--as=alice", "create", "--filename=-", input=json.dumps(obj))


@pytest.fixture(scope="module", autouse=True)
def alice():
    """Give alice the role edit in one namespace."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}
    binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "alice", "namespace": NAMESPACE}}
    apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": RESTRICTED, "labels": labels}},
        {**binding, "roleRef": role, "subjects": [subject]},
    )
    yield
    kubectl("delete", "namespace", NAMESPACE, RESTRICTED, "--wait=true")


def test_a_service_takes_no_external_address():
    """Otherwise whoever creates Services has the API's, etcd's or a name server's address on every worker and proxy."""
    spec = {"selector": {"app": "x"}, "externalIPs": [addresses()["proxy-0"]], "ports": [{"port": 8443}]}
    said = as_alice({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": NAMESPACE}, "spec": spec})
    assert "Forbidden" in said and "Use of external IPs is denied" in said
    assert json.loads(kubectl("get", "--raw", f"/api/v1/nodes/{addresses()['worker-0']}"))  # the API still answers


@pytest.mark.parametrize(
    "spec",
    [
        {"volumes": [{"name": "etc", "hostPath": {"path": "/etc"}}]},
        {"hostNetwork": True},
        {"hostPID": True},
        {"container": {"securityContext": {"privileged": True}}},
        {"container": {"ports": [{"containerPort": 80, "hostPort": 80}]}},
    ],
    ids=["hostPath", "hostNetwork", "hostPID", "privileged", "hostPort"],
)
def test_baseline_refuses_pods_that_own_their_worker(spec):
    said = as_alice(pod("x", NAMESPACE, **spec))
    assert "Forbidden" in said and 'violates PodSecurity "baseline:latest"' in said


def test_the_api_warns_below_restricted():
    command = [DIRECTORY / "bin/kubectl", f"--kubeconfig={DIRECTORY}/kubeconfig", "create", "--dry-run=server", "--filename=-"]
    root = pod("x", NAMESPACE, securityContext={})
    done = subprocess.run(command, input=json.dumps(root), capture_output=True, text=True, check=True)
    assert 'Warning: would violate PodSecurity "restricted:latest"' in done.stderr


def test_an_exempt_namespace_has_no_level():
    kubectl("create", "--dry-run=server", "--filename=-", input=json.dumps(with_host_path("x", "kube-system")))


@pytest.mark.parametrize("name", ["coredns", "metrics-server"])
def test_add_ons_pass_restricted(name):
    """The API server would create their pods in a namespace that enforces restricted."""
    template = get("--namespace=kube-system", "deployment", name)["spec"]["template"]
    kubectl("create", "serviceaccount", name, f"--namespace={RESTRICTED}")
    metadata = {**template["metadata"], "name": name, "namespace": RESTRICTED}
    obj = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    kubectl("create", "--dry-run=server", "--filename=-", input=json.dumps(obj))
    broken = {**obj, "spec": {**template["spec"], "hostNetwork": True}}
    assert "violates PodSecurity" in refused("create", "--dry-run=server", "--filename=-", input=json.dumps(broken))


def test_events_of_one_user_are_limited():
    involved = {"apiVersion": "v1", "kind": "Pod", "name": "x", "namespace": NAMESPACE}
    events = [
        {"apiVersion": "v1", "kind": "Event", "metadata": {"name": f"x.{number}", "namespace": NAMESPACE}, "involvedObject": involved}
        for number in range(600)  # twice the limit of both API servers
    ]
    kubectl("create", "clusterrole", "admission-events", "--verb=create", "--resource=events")
    try:
        kubectl("create", "rolebinding", "events", "--clusterrole=admission-events", "--user=alice", f"--namespace={NAMESPACE}")
        said = refused("--as=alice", "create", "--filename=-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": events}))
        assert "limit reached on type User" in said
    finally:
        kubectl("delete", "clusterrole", "admission-events")


def test_a_pod_has_a_limit_of_processes_a_short_token_and_a_log_of_its_secret():
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "read-by-kubelet", "namespace": NAMESPACE}, "stringData": {"key": "value"}}
    volumes = [{"name": "secret", "secret": {"secretName": "read-by-kubelet"}}]
    apply(secret, pod("limited", NAMESPACE, volumes=volumes))
    kubectl("wait", "--for=condition=Ready", "pod/limited", f"--namespace={NAMESPACE}", "--timeout=60s")
    running = get(f"--namespace={NAMESPACE}", "pod", "limited")
    uid, address = running["metadata"]["uid"], running["spec"]["nodeName"]
    worker = next(name for name, its in addresses().items() if its == address)
    groups = (f"*/pod{uid}", f"*-pod{uid.replace('-', '_')}.slice")  # with the drivers cgroupfs and systemd
    limits = on(worker, "sh", "-c", f"find /sys/fs/cgroup -path '{groups[0]}/pids.max' -o -path '{groups[1]}/pids.max' | xargs cat")
    assert limits.split() == ["4096"]
    # Not the link that belongs to the pod's user: fs.protected_symlinks forbids root to follow it.
    token = on(worker, "sh", "-c", f"cat /var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~projected/*/..data/token")
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["exp"] - claims["iat"] < 4000  # a year if the expiry is extended
    wait(lambda: audited(user=f"system:node:{address}", resource="secrets", name="read-by-kubelet"), 10)
    (first, *_others) = audited(user=f"system:node:{address}", resource="secrets", name="read-by-kubelet")
    assert first["level"] == "Metadata" and "responseObject" not in first


def audited(resource: str, name: str, user: str = "") -> list[dict[str, t.Any]]:
    """Return the entries of all masters' audit logs about one object."""
    text = "".join(on(master, "sh", "-c", f"grep {name} /var/log/kubernetes/audit.log || true") for master in ("master-0", "master-1"))
    entries = [json.loads(line) for line in text.splitlines()]
    return [
        entry
        for entry in entries
        if entry.get("objectRef", {}).get("resource") == resource
        and entry["objectRef"].get("name") == name
        and user in ("", entry["user"]["username"])
    ]


def test_the_audit_log_has_the_body_of_a_change_to_rbac():
    entries = [entry for entry in audited(resource="rolebindings", name="alice") if entry["verb"] in ("create", "patch")]
    assert entries[-1]["level"] == "RequestResponse"
    assert entries[-1]["responseObject"]["roleRef"]["name"] == "edit"


def test_default_accounts_of_system_namespaces_mount_no_token():
    for namespace in ("kube-system", "kube-public", "kube-node-lease"):
        assert get(f"--namespace={namespace}", "serviceaccount", "default")["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", [*TLS_PORTS, "metrics-server"])
def test_tls_is_1_2_or_later_and_has_aead_ciphers(name):
    if name == "metrics-server":
        (found,) = get("--namespace=kube-system", "pods", "--selector=k8s-app=metrics-server")["items"]
        source, address, port, certificate = "master-0", found["status"]["podIP"], 10250, ""
    else:
        source, target, port, certificate = TLS_PORTS[name]
        address = addresses()[target] if target else "127.0.0.1"

    def handshake(version: str, ciphers: str) -> str:
        return on(source, "python3", "-c", HANDSHAKE, address, str(port), version, ciphers, *certificate.split()).strip()

    assert handshake("TLSv1_3", "DEFAULT").startswith("TLSv1.3 TLS_")
    assert handshake("TLSv1_2", "ECDHE-ECDSA-AES128-GCM-SHA256") == "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256"
    assert handshake("TLSv1_2", "ECDHE-ECDSA-AES128-SHA") == "SSLV3_ALERT_HANDSHAKE_FAILURE"  # CBC
    assert handshake("TLSv1_1", "DEFAULT") == "TLSV1_ALERT_PROTOCOL_VERSION"


def site(*options: str, **variables: t.Any) -> tuple[int, str]:
    run = Run("site.yml", *options, f"--extra-vars={json.dumps(variables)}")
    return run.end(), run.text


def masters_started() -> list[str]:
    return [on(name, "systemctl", "show", "--property=ExecMainStartTimestampMonotonic", "kube-apiserver") for name in ("master-0", "master-1")]


def test_a_stricter_level_lists_the_pods_that_it_would_refuse_before_a_master_changes():
    """A cluster that enforced nothing runs a pod with the host's files."""
    code, said = site(cluster_pod_security={"enforce": "privileged"})
    assert code == 0, said
    apply(with_host_path("old", NAMESPACE))
    try:
        before = masters_started()
        code, said = site()
        assert code == 2 and f"{NAMESPACE}/old: hostPath volumes" in said and "cluster_pod_security_accept" in said, said
        code, said = site("--check")
        assert code == 2 and f"{NAMESPACE}/old: hostPath volumes" in said, said
        assert masters_started() == before
        code, said = site("--check", cluster_pod_security={"exempt_namespaces": ["kube-system", NAMESPACE]})
        assert code == 0, said
        code, said = site(cluster_pod_security_accept=True)
        assert code == 0 and masters_started() != before, said
        assert get(f"--namespace={NAMESPACE}", "pod", "old")["status"]["phase"] in ("Pending", "Running")
        assert "violates PodSecurity" in as_alice(with_host_path("new", NAMESPACE))
        code, said = site()  # asks nothing any more
        assert code == 0 and re.search(r"Check the running pods before their rules become stricter\] \**\nskipping: ", said), said
    finally:
        kubectl("delete", "pod", "old", f"--namespace={NAMESPACE}", "--ignore-not-found")


def test_a_stricter_level_waits_for_an_api_that_can_say_whom_it_refuses():
    for master in ("master-0", "master-1"):
        host(master).run_expect([0], "systemctl stop kube-apiserver")
    try:
        code, said = site(cluster_pod_security={"enforce": "restricted"})
    finally:
        for master in ("master-0", "master-1"):
            host(master).run_expect([0], "systemctl start kube-apiserver")
    assert code == 2 and "found no API server that says" in said and "cluster_pod_security_accept" in said, said
    wait(api_answers, 60)

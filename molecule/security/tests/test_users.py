# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who the administrator is: the rights of both identities of the director, the binding that can be taken away, and the use of system:masters."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import typing as t

import pytest
from cryptography import x509
from playbook import Run, changes
from scenario import DIRECTORY, addresses, ask, kubeconfig, kubectl, on, wait

ADMINISTRATORS = "cfcr:administrators"
HEALTH = "store/health.kubeconfig"
MASTERS = ("master-0", "master-1")
ORGANIZATION = x509.oid.NameOID.ORGANIZATION_NAME
PEM = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
EMBEDDED = re.compile(r"client-certificate-data\W+(LS0t[A-Za-z0-9+/=]+)")
# Directories in which programs and people leave files; programs themselves and images of containers are left out.
FILES = (
    "grep --recursive --no-messages --binary-files=without-match --files-with-matches --null --exclude-dir='io.containerd*' --exclude-dir=member "
    "--exclude-dir=certs --exclude-dir=certificates --regexp=client-certificate-data --regexp='BEGIN CERTIFICATE' "
    "/etc /home /opt /root /run /srv /tmp /var | xargs --null --no-run-if-empty cat"
)


def status(name: str, method: str, path: str, body: t.Any = None) -> int:
    """Return the status of a request as the user of a kubeconfig."""
    return ask(*kubeconfig(name), method, path, body)[0]


def secrets() -> int:
    """Return the status of a list of Secrets as administrator."""
    return status("kubeconfig", "GET", "/api/v1/namespaces/kube-system/secrets")


def site(*options: str) -> str:
    run = Run("site.yml", *options)
    assert run.end() == 0, run.text
    return run.text


def organizations(text: str) -> list[set[str]]:
    """Return the groups of every certificate in a text, which may be a kubeconfig, PEM, or JSON with PEM in it."""
    found = PEM.findall(text.replace("\\n", "\n")) + [base64.b64decode(one).decode() for one in EMBEDDED.findall(text)]
    certificates = [x509.load_pem_x509_certificate(one.encode()) for one in found]
    return [{attribute.value for attribute in one.subject.get_attributes_for_oid(ORGANIZATION)} for one in certificates]


@pytest.mark.parametrize("path", ["nodes", "persistentvolumes"])
def test_health_reads_what_it_needs(path):
    assert status(HEALTH, "GET", f"/api/v1/{path}") == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/v1/secrets", None),
        ("GET", "/api/v1/namespaces/kube-system/secrets", None),
        ("GET", "/api/v1/configmaps", None),
        ("GET", "/api/v1/pods", None),
        ("GET", "/api/v1/nodes/{worker-0}/proxy/configz", None),
        ("DELETE", "/api/v1/nodes/{worker-0}", {}),
        ("PUT", "/api/v1/nodes/{worker-0}", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "{worker-0}"}}),
        ("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "health"}}),
        ("POST", "/api/v1/namespaces/kube-system/serviceaccounts/default/token", {}),
        ("DELETE", f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{ADMINISTRATORS}", {}),
    ],
)
def test_health_may_do_nothing_else(method, path, body):
    address = addresses()["worker-0"]
    body = body and json.loads(json.dumps(body).replace("{worker-0}", address))
    assert status(HEALTH, method, path.replace("{worker-0}", address), body) == 403


def test_the_binding_can_be_taken_away_and_site_restores_it():
    assert secrets() == 200
    kubectl("delete", "clusterrolebinding", ADMINISTRATORS)
    try:
        wait(lambda: secrets() == 403, 10)
        health = Run("health.yml")
        assert health.end() == 0, health.text
        said = site("--check", "--diff")
        assert f"a run would restore ClusterRoleBinding {ADMINISTRATORS} first" in " ".join(said.split()), said
        assert sum(changes(said).values()) == 1 and "cluster-admin" in said
        assert secrets() == 403
    finally:
        said = site()
    assert secrets() == 200
    binding = json.loads(kubectl("get", "clusterrolebinding", ADMINISTRATORS, "--output=json"))
    assert [(one["kind"], one["name"]) for one in binding["subjects"]] == [("Group", ADMINISTRATORS)]
    assert binding["roleRef"]["name"] == "cluster-admin"
    assert changes(site("--check")) == {}


def test_no_file_has_a_certificate_of_system_masters():
    """On no host, not in the store on director-0, and not on the controller."""
    for name in addresses():
        found = organizations(on(name, "sh", "-c", FILES, errors="replace"))
        assert found, name
        assert not [groups for groups in found if "system:masters" in groups], name
        assert (name == "director-0") == ({ADMINISTRATORS} in found), name
    texts = [path.read_bytes().decode(errors="replace") for path in DIRECTORY.rglob("*") if path.is_file() and path.stat().st_size < 1 << 20]
    found = [groups for text in texts for groups in organizations(text)]
    assert {ADMINISTRATORS} in found and {"cfcr:health"} in found and {"system:masters"} not in found


def test_health_has_no_other_right():
    command = [DIRECTORY / "bin/kubectl", f"--kubeconfig={DIRECTORY}/{HEALTH}", "auth", "can-i", "--list", "--no-headers"]
    rights = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    resources = {line.split()[0] for line in rights.splitlines() if not line.startswith(" ")}
    assert {"nodes", "persistentvolumes"} <= resources
    assert all(one.startswith(("nodes", "persistentvolumes", "selfsubject")) for one in resources), rights


def test_the_audit_log_has_system_masters_for_the_binding_only():
    entries = []
    for master in MASTERS:
        text = on(master, "sh", "-c", "cat /var/log/kubernetes/audit*.log | grep system:masters || true")
        entries += [entry for entry in map(json.loads, text.splitlines()) if "system:masters" in entry["user"].get("groups", [])]
    users = {entry["user"]["username"] for entry in entries}
    assert users <= {"cfcr:binding", "system:apiserver"}, users  # an API server's requests to itself
    ours = [entry for entry in entries if entry["user"]["username"] == "cfcr:binding"]
    objects = {(entry["objectRef"]["resource"], entry["objectRef"].get("name")) for entry in ours if "objectRef" in entry}
    assert objects == {("clusterrolebindings", ADMINISTRATORS)}
    assert {entry["requestURI"] for entry in ours if "objectRef" not in entry} <= {"/api", "/apis"}

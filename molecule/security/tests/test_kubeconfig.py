# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kubeconfigs of users: allowed and refused requests to the living cluster, refused names, and the list. The director is host director-0."""

from __future__ import annotations

import json
import re
import subprocess
import typing as t

import pytest
from playbook import Run
from scenario import DIRECTORY, apply, kubectl, on, wait

NAMESPACE, GROUP, USER = "kubeconfig", "kubeconfig-viewers", "alice@example.com"
PATH, RECORDS = "/root/users/alice", "/var/lib/cfcr/molecule/kubeconfigs"
COPY = DIRECTORY / "alice.kubeconfig"
SECRETS = re.compile("PRIVATE KEY|client-key-data|LS0tLS1CRUdJTiBQ")  # the last is how a private key in base64 begins


def play(*options: str, **variables: t.Any) -> tuple[int, str]:
    """Run the playbook, and return its exit code and output, which never has a key."""
    run = Run("kubeconfig.yml", f"--extra-vars={json.dumps(variables)}", *options, environment={"ANSIBLE_SHOW_CUSTOM_STATS": "true"})
    code = run.end()
    assert not SECRETS.search(run.text)
    return code, " ".join(run.text.split())


def issue(*options: str, **variables: t.Any) -> tuple[int, str]:
    return play(*options, **{"kubeconfig_user": USER, "kubeconfig_groups": [GROUP], "kubeconfig_path": PATH, "kubeconfig_days": 7, **variables})


def as_user(*arguments: str, **options: t.Any) -> tuple[int, str]:
    """Run kubectl with the user's kubeconfig, and return its exit code and output."""
    COPY.write_text(on("director-0", "cat", PATH), encoding="utf-8")
    COPY.chmod(0o600)
    command = [DIRECTORY / "bin/kubectl", f"--kubeconfig={COPY}", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, **options)
    return done.returncode, done.stdout + done.stderr


def records() -> list[str]:
    return on("director-0", "find", RECORDS, "-name", "*.json").split()


@pytest.fixture(scope="module", autouse=True)
def group():
    """Bind a group to the role view in one namespace."""
    rbac = "rbac.authorization.k8s.io"
    binding = {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": {"name": GROUP, "namespace": NAMESPACE}}
    role, subject = {"apiGroup": rbac, "kind": "ClusterRole", "name": "view"}, {"apiGroup": rbac, "kind": "Group", "name": GROUP}
    apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, {**binding, "roleRef": role, "subjects": [subject]})
    yield
    kubectl("delete", "namespace", NAMESPACE, "--wait=true")
    on("director-0", "rm", "-rf", RECORDS, "/root/users")
    COPY.unlink(missing_ok=True)


@pytest.fixture(scope="module", autouse=True)
def issued(group):
    """Issue a kubeconfig, after check mode has issued nothing."""
    code, said = issue("--check", "--diff")
    assert code == 0 and f"{USER} ({GROUP}) would get a kubeconfig" in said and "changed=1" in said
    assert on("director-0", "find", "/root", "/var/lib/cfcr/molecule", "-name", "users", "-o", "-name", "kubeconfigs") == ""
    code, said = issue("--diff")
    assert code == 0 and f"{USER} ({GROUP}) got a kubeconfig" in said and "changed=1" in said
    assert len(records()) == 1


def test_a_second_run_issues_nothing():
    before = on("director-0", "sha256sum", PATH)
    code, said = issue()
    assert code == 0 and f"{USER} ({GROUP}) has a kubeconfig" in said and "changed=0" in said
    assert on("director-0", "sha256sum", PATH) == before and len(records()) == 1


def test_the_file_is_for_its_owner_only():
    assert on("director-0", "stat", "--format=%a %U", PATH, "/root/users", *records()).split() == ["600", "root", "700", "root", "600", "root"]
    assert not SECRETS.search(on("director-0", "cat", *records()))


def test_the_user_may_view_the_namespace_and_nothing_else():
    assert as_user("auth", "whoami", "--output=jsonpath={.status.userInfo.username}") == (0, USER)
    code, said = as_user("get", "pods", f"--namespace={NAMESPACE}")
    assert code == 0, said
    for command in (
        ("get", "pods", "--namespace=kube-system"),
        ("get", "secrets", f"--namespace={NAMESPACE}"),
        ("create", "configmap", "x", f"--namespace={NAMESPACE}"),
        ("get", "nodes"),
    ):
        code, said = as_user(*command)
        assert code != 0 and "is forbidden" in said and USER in said, said


def test_a_removed_binding_takes_the_permission_away(group):
    binding = json.loads(kubectl("get", "rolebinding", GROUP, f"--namespace={NAMESPACE}", "--output=json"))
    kubectl("delete", "rolebinding", GROUP, f"--namespace={NAMESPACE}")
    try:
        wait(lambda: "Forbidden" in as_user("get", "pods", f"--namespace={NAMESPACE}")[1], 10)
    finally:
        apply({name: binding[name] for name in ("apiVersion", "kind", "roleRef", "subjects")} | {"metadata": {"name": GROUP, "namespace": NAMESPACE}})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kubeconfig_groups": ["system:masters"]}, "groups: found 'system:masters', expected"),
        ({"kubeconfig_user": "system:kube-scheduler"}, "user: found 'system:kube-scheduler', expected"),
        ({"kubeconfig_user": "kube-apiserver-kubelet-client"}, "user: found 'kube-apiserver-kubelet-client', expected"),
        ({"kubeconfig_days": 3660}, "days: found 3660, expected 1 to 365"),
        ({"kubeconfig_path": "alice"}, "path: found 'alice', expected"),
        ({"kubeconfig_user": "bob"}, f"{PATH}: found a file that is not the kubeconfig of bob"),
        ({"kubeconfig_path": "/root/kubeconfig"}, f"/root/kubeconfig: found a file that is not the kubeconfig of {USER}"),
    ],
    ids=["masters", "system", "component", "days", "path", "of another user", "of the administrator"],
)
def test_a_bad_request_is_refused_before_anything_is_touched(changes, words):
    before = on("director-0", "sha256sum", PATH, "/root/kubeconfig")
    code, said = issue(**changes)
    assert code != 0 and words in said.replace("''", "'"), said
    assert on("director-0", "sha256sum", PATH, "/root/kubeconfig") == before and len(records()) == 1


def test_the_list_has_name_groups_and_expiry():
    code, said = play()
    assert code == 0 and "changed=0" in said
    assert re.search(rf"{re.escape(USER)} {GROUP} \d{{4}}-\S+Z \d{{4}}-\S+Z 6 d", said), said
    assert f"state: valid user: {USER}" in said  # AWX gets it as data

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules kubeconfig and kubeconfig_info: a user on a real API server with the CA of a real store, and the list in every backend."""

from __future__ import annotations

import json
import time

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import Kubernetes, KubernetesError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.local import LocalBackend
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.store import Store
from ansible_collections.cfcr.kubernetes.plugins.modules import certificate_authority, kubeconfig, kubeconfig_info

RBAC = "rbac.authorization.k8s.io"
GROUP = "kubeconfig-viewers"
# Role view has no rules without a controller manager, which aggregates them.
ROLE = {
    "apiVersion": f"{RBAC}/v1",
    "kind": "Role",
    "metadata": {"name": GROUP, "namespace": "default"},
    "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}],
}
BINDING = {
    "apiVersion": f"{RBAC}/v1",
    "kind": "RoleBinding",
    "metadata": {"name": GROUP, "namespace": "default"},
    "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": GROUP},
    "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": GROUP}],
}
OBJECT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kubeconfig", "namespace": "default"}}
JSON = {"Content-Type": "application/json"}
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


@pytest.fixture
def run(capsys):
    def run_module(module, check=False, **options):
        with patch_module_args({**options, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run_module


@pytest.fixture
def store(apiserver, tmp_path):
    """Return the options of a store that has the API server's CA."""
    options = {"backend": "local", "directory": str(tmp_path / "store"), "versions": 10, "passphrase": None}
    public = {"certificates": [apiserver.authority.certificate.decode()], "signing": 0}
    Store(LocalBackend(options), None).put("authorities/kubernetes", public, {"private_keys": [apiserver.authority.key.decode()]}, 0)
    return options


def test_a_user_may_what_the_binding_of_a_group_says(run, store, apiserver, tmp_path):
    master = Kubernetes(apiserver.kubeconfig, 10)
    options = {"user": "alice@example.com", "groups": [GROUP], "days": 1, "path": str(tmp_path / "alice"), "cluster": "test", "server": master.url}
    issued = run(kubeconfig, store=store, **options)
    assert issued["changed"], issued
    user = Kubernetes(options["path"], 10)

    def status(method, url, body=None):
        try:
            user.request(method, url, body, JSON if body else None)
        except KubernetesError as error:
            return error.status
        return 200

    def becomes(expected, method, url):  # the API server watches bindings
        deadline = time.monotonic() + 10
        while status(method, url) != expected:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    found = user.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", REVIEW, JSON)["status"]["userInfo"]
    assert (found["username"], sorted(found["groups"])) == ("alice@example.com", [GROUP, "system:authenticated"])
    pods, maps = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/configmaps"
    assert status("GET", pods) == 403
    for obj in (ROLE, BINDING):
        master.apply(obj)
    try:
        becomes(200, "GET", pods)
        assert status("GET", "/api/v1/namespaces/kube-system/pods") == 403
        assert status("GET", "/api/v1/namespaces/default/secrets") == 403
        assert status("POST", maps, OBJECT) == 403
    finally:
        for obj in (BINDING, ROLE):
            master.delete(master.get(obj))
    becomes(403, "GET", pods)


@pytest.mark.parametrize("passphrase", [None, "a long passphrase"])
@pytest.mark.parametrize("backend", ["local", "vault"])
def test_the_list_is_in_every_backend(run, backend, passphrase, vault, tmp_path):
    place = vault.store() if backend == "vault" else {"directory": str(tmp_path / "store")}
    store = {**place, "passphrase": passphrase}
    run(certificate_authority, store=store, authorities=[{"name": "kubernetes"}])
    options = {"store": store, "groups": ["dev"], "cluster": "test", "server": "https://10.0.0.91:8443"}
    assert run(kubeconfig_info, store=store)["kubeconfigs"] == []
    for user in ("bob", "alice"):
        done = run(kubeconfig, user=user, path=str(tmp_path / user), **options)
        assert done["changed"] and not run(kubeconfig, user=user, path=str(tmp_path / user), **options)["changed"]
        assert "PRIVATE" not in json.dumps(done) and "client-key-data" not in json.dumps(done)
    for reader in (store, {**store, "passphrase": None}):
        found = run(kubeconfig_info, store=reader)["kubeconfigs"]
        assert [(entry["user"], entry["groups"], entry["state"], entry["days_left"]) for entry in found] == [
            ("alice", ["dev"], "valid", 29), ("bob", ["dev"], "valid", 29),
        ]  # fmt: skip


def test_a_bad_request_is_refused(run, store):
    refused = run(kubeconfig, store=store, user="mallory", groups=["system:masters"], days=0, path="x", cluster="test", server="https://x")
    assert refused["failed"] and [part.split(":")[0] for part in refused["msg"].split("; ")] == ["groups", "days", "path"]
    assert run(kubeconfig_info, store=store)["kubeconfigs"] == []

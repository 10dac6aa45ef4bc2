# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The administrators' binding, created, restored and taken over, on a real API server with the CA of a real store."""

from __future__ import annotations

import base64
import json
import pathlib

import jinja2
import pytest
import yaml
from _apiserver import Pair, kubeconfig
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.cfcr.kubernetes.plugins.module_utils._credentials.credential_list import SPEC, keep_credentials
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes import administrators
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.administrators import BINDING, GROUP, MASTERS, hand_over
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import Kubernetes, KubernetesError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.status import cluster_status
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.options import STORE, open_store
from ansible_collections.cfcr.kubernetes.plugins.modules import cluster_trust, manifest, pod_security_info, secret_rewrite
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._controller.director import validated
from cryptography import x509

ROOT = pathlib.Path(__file__).parents[2]
ACCESS = ROOT / "roles/addons/templates/access.yml.j2"
TITLE = f"ClusterRoleBinding {GROUP}"
OBJECT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "administrators", "namespace": "default"}}


def opened(store):
    """Return the store that a module opens with these options."""
    return open_store(validated(STORE, {"store": store}))


@pytest.fixture
def store(apiserver, tmp_path, request):
    """Return the options of a store that has the API server's CA, in a directory or in Vault."""
    in_vault = getattr(request, "param", "") == "vault"
    options = request.getfixturevalue("vault").store() if in_vault else {"backend": "local", "directory": str(tmp_path / "store")}
    options["passphrase"] = "twelve or more characters"
    authority = apiserver.authority
    public = {"certificates": [authority.certificate.decode()], "signing": 0}
    opened(options).put("authorities/kubernetes", public, {"private_keys": [authority.key.decode()]}, 0)
    return options


@pytest.fixture
def administrator(apiserver, tmp_path):
    return kubeconfig(tmp_path / "administrator", apiserver.port, apiserver.authority, Pair("admin", GROUP, apiserver.authority))


@pytest.fixture
def master(apiserver):
    """Return a client in system:masters; the binding is gone before and after the test."""
    cluster = Kubernetes(apiserver.kubeconfig, 10)

    def remove():
        for obj in (BINDING, OBJECT):
            found = cluster.get(obj)
            if found:
                cluster.delete(found)

    remove()
    yield cluster
    remove()


@pytest.fixture
def run(administrator, store, capsys):
    """Return a function that runs a module as administrator."""

    def call(module, check=False, **options):
        arguments = {"kubeconfig": administrator, "store": store, "timeout": 20, **options}
        with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return call


@pytest.fixture
def apply(run):
    def call(**options):
        return run(manifest, **{"name": "administrators-test", "objects": [OBJECT], **options})

    return call


def access():
    return list(yaml.safe_load_all(jinja2.Template(ACCESS.read_text(), trim_blocks=True).render()))


@pytest.mark.parametrize("store", ["local", "vault"], indirect=True)
def test_the_binding_is_created_and_restored(apply, master):
    assert "forbidden" in apply(store=None)["msg"] and master.get(BINDING) is None
    for _attempt in range(2):
        applied = apply()
        assert not applied.get("failed"), applied
        found = master.get(BINDING)
        assert (found["roleRef"], found["subjects"]) == (BINDING["roleRef"], BINDING["subjects"])
        master.delete(found)


MODULES = [
    (manifest, {"name": "administrators-test", "objects": [OBJECT]}),
    (cluster_trust, {"kubernetes": "CA", "front_proxy": "CA"}),
    (secret_rewrite, {}),
    (pod_security_info, {"level": "baseline"}),
]
NAMES = ["manifest", "cluster_trust", "secret_rewrite", "pod_security_info"]


@pytest.mark.parametrize(("module", "options"), MODULES, ids=NAMES)
def test_check_mode_says_that_the_binding_is_missing(run, master, module, options, monkeypatch):
    warnings = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda self, text: warnings.append(text))
    said = run(module, check=True, **options)
    assert not said.get("failed"), said
    assert f"a run would restore {TITLE} first" in warnings[0]
    assert said["changed"] == (module is not pod_security_info)
    assert module not in (manifest, cluster_trust) or said["diff"] == {"before": {}, "after": {TITLE: BINDING}}
    assert master.get(BINDING) is None


@pytest.mark.parametrize(("module", "options"), MODULES[2:], ids=NAMES[2:])
def test_every_module_restores_the_binding(run, master, module, options):
    said = run(module, **options)
    assert not said.get("failed") and not said.get("problem"), said
    assert master.get(BINDING)["subjects"] == BINDING["subjects"]


def test_the_trust_of_a_rotation_needs_no_binding_beforehand(run, master, apiserver):
    """The API server of the test publishes no CA bundle to namespaces, so the module cannot finish. But it reads and writes the first ConfigMap."""
    authority = apiserver.authority.certificate.decode()
    said = run(cluster_trust, kubernetes=authority, front_proxy=authority, timeout=5)
    assert "kube-root-ca.crt: found other CAs in no namespace at all" in said["msg"]
    assert master.get(BINDING)["subjects"] == BINDING["subjects"]


def test_a_binding_to_another_role_is_replaced(apply, master):
    master.apply({**BINDING, "roleRef": {**BINDING["roleRef"], "name": "view"}})
    assert not apply().get("failed")
    assert master.get(BINDING)["roleRef"] == BINDING["roleRef"]


def test_system_masters_is_not_used_while_the_binding_is_there(apply, master, monkeypatch):
    master.apply(BINDING)
    monkeypatch.setattr("ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.administrators._master", None)
    applied = apply()
    assert not applied.get("failed"), applied
    refused = apply(objects=[{**OBJECT, "metadata": {"name": "x", "namespace": "not-there"}}])
    assert refused["failed"] and "_master" not in refused["msg"]


def admin(organization, path, server):
    return {
        "name": "admin",
        "type": "certificate",
        "authority": "kubernetes",
        "common_name": "admin",
        "organizations": [organization],
        "kubeconfig": {"path": str(path), "cluster": "cfcr", "server": server},
    }


@pytest.mark.parametrize("lost", [False, True], ids=["kept", "lost"])
def test_the_certificate_of_an_earlier_version_is_handed_over(apiserver, store, master, tmp_path, lost):
    """The new one works at once, also if the kubeconfig file has been lost, and the binding is the only difference to the former one."""
    path = tmp_path / "admin"

    def keep(organization, server, check_mode=False):
        options = validated(SPEC, {"store": store, "credentials": [admin(organization, path, server)]})
        return keep_credentials(opened(store), options, check_mode, hand_over)

    server = f"https://127.0.0.1:{apiserver.port}"
    keep(MASTERS, server)
    assert master.get(BINDING) is None
    if lost:
        path.unlink()
    assert keep(GROUP, server, check_mode=True)["changed"] and master.get(BINDING) is None
    keep(GROUP, server)
    assert master.get(BINDING)["subjects"] == BINDING["subjects"]
    assert Kubernetes(str(path), 5).request("GET", "/api/v1/secrets")["items"] is not None
    master.delete(master.get(BINDING))
    assert not keep(GROUP, server)["changed"] and master.get(BINDING) is None


def test_an_api_that_does_not_answer_does_not_stop_the_hand_over(store, tmp_path, monkeypatch):
    monkeypatch.setattr(administrators, "HAND_OVER_SECONDS", 0.5)
    for organization in (MASTERS, GROUP):
        options = validated(SPEC, {"store": store, "credentials": [admin(organization, tmp_path / "admin", "https://127.0.0.1:1")]})
        assert keep_credentials(opened(store), options, False, hand_over)["changed"]


def test_health_reads_nodes_and_nothing_else(apiserver, tmp_path, master):
    path = kubeconfig(tmp_path / "health", apiserver.port, apiserver.authority, Pair("health", "cfcr:health", apiserver.authority))
    own = f"https://127.0.0.1:{apiserver.port}"
    status = cluster_status({"kubeconfig": path, "servers": [own], "seconds": 5})
    assert "403 nodes is forbidden" in status["refusal"] and (status["endpoint"]["problem"], status["nodes"]) == (None, None)
    for obj in access():
        master.apply(obj)
    health = Kubernetes(path, 5)
    while cluster_status({"kubeconfig": path, "servers": [], "seconds": 5})["refusal"]:
        health.pause(lambda: "the API does not learn of the binding")
    status = cluster_status({"kubeconfig": path, "servers": [], "seconds": 5, "volumes": True})
    assert (status["nodes"], status["volumes"]) == ({}, {})
    assert health.request("GET", "/api/v1/nodes")["items"] == []
    for method, url, body in (
        ("GET", "/api/v1/secrets", None),
        ("GET", "/api/v1/pods", None),
        ("DELETE", "/api/v1/nodes/x", {}),
        ("PATCH", "/api/v1/nodes/x", {}),
    ):
        with pytest.raises(KubernetesError) as raised:
            health.request(method, url, body, {"Content-Type": "application/merge-patch+json"} if body is not None else None)
        assert raised.value.status == 403


def test_the_add_ons_have_the_same_binding():
    bindings = [obj for obj in access() if obj["metadata"]["name"] == GROUP]
    assert bindings == [BINDING]


def test_the_certificate_is_short_lived(store, monkeypatch):
    seen = {}
    monkeypatch.setattr(administrators, "Kubernetes", lambda config, timeout: seen.update(config))
    administrators._master(opened(store), "https://127.0.0.1:1", 1)
    pem = base64.b64decode(seen["users"][0]["user"]["client-certificate-data"])
    certificate = x509.load_pem_x509_certificate(pem)
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds() <= 601
    assert certificate.subject.rfc4514_string() == "CN=cfcr:binding,O=system:masters"

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The administrators' binding, created, restored and taken over, on a real API server with the CA of a real store."""

from __future__ import annotations

import base64
import json
import pathlib

import pytest
import yaml
from _apiserver import Pair, kubeconfig
from ansible.module_utils.testing import patch_module_args
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.administrators import BINDING, GROUP, hand_over
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import Kubernetes, KubernetesError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.local import LocalBackend
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.store import Store
from ansible_collections.cfcr.kubernetes.plugins.modules import manifest

ROOT = pathlib.Path(__file__).parents[2]
ACCESS = ROOT / "roles/addons/templates/access.yml.j2"
OBJECT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "administrators", "namespace": "default"}}


@pytest.fixture
def store(apiserver, tmp_path):
    """Return the options of a store that has the API server's CA."""
    options = {"backend": "local", "directory": str(tmp_path / "store"), "versions": 10, "passphrase": None}
    authority = apiserver.authority
    public = {"certificates": [authority.certificate.decode()], "signing": 0}
    Store(LocalBackend(options), None).put("authorities/kubernetes", public, {"private_keys": [authority.key.decode()]}, 0)
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
def apply(administrator, store, capsys):
    def call(check=False, **options):
        arguments = {"kubeconfig": administrator, "name": "administrators-test", "timeout": 20, "objects": [OBJECT], "store": store, **options}
        with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            manifest.main()
        return json.loads(capsys.readouterr().out)

    return call


def test_the_binding_is_created_and_restored(apply, master):
    assert "forbidden" in apply(store=None)["msg"] and master.get(BINDING) is None
    assert "forbidden" in apply(check=True)["msg"] and master.get(BINDING) is None
    for _attempt in range(2):
        applied = apply()
        assert not applied.get("failed"), applied
        found = master.get(BINDING)
        assert (found["roleRef"], found["subjects"]) == (BINDING["roleRef"], BINDING["subjects"])
        master.delete(found)


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


def test_the_kubeconfig_of_an_earlier_version_creates_the_binding(apiserver, administrator, master):
    hand_over(administrator)
    assert master.get(BINDING) is None
    hand_over(apiserver.kubeconfig)
    assert master.get(BINDING)["subjects"] == BINDING["subjects"]


def test_health_reads_nodes_and_nothing_else(apiserver, tmp_path, master):
    for obj in yaml.safe_load_all(ACCESS.read_text()):
        master.apply(obj)
    path = kubeconfig(tmp_path / "health", apiserver.port, apiserver.authority, Pair("health", "cfcr:health", apiserver.authority))
    health = Kubernetes(path, 5)
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
    bindings = [obj for obj in yaml.safe_load_all(ACCESS.read_text()) if obj["metadata"]["name"] == GROUP]
    assert bindings == [BINDING]


def test_the_certificate_is_short_lived(store, monkeypatch):
    from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes import administrators

    seen = {}
    monkeypatch.setattr(administrators, "Kubernetes", lambda config, timeout: seen.update(config))
    administrators._master({"store": store, "timeout": 1}, "https://127.0.0.1:1")
    from cryptography import x509

    pem = base64.b64decode(seen["users"][0]["user"]["client-certificate-data"])
    certificate = x509.load_pem_x509_certificate(pem)
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds() <= 601
    assert certificate.subject.rfc4514_string() == "CN=cfcr:binding,O=system:masters"

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Secret that a real API server has encrypted is decrypted from a verified snapshot with the keys of a store."""

from __future__ import annotations

import base64
import json
import os
import urllib.request

import pytest
from _apiserver import ApiServer, Pair
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup.secrets import check_samples
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.snapshot import Snapshot


@pytest.fixture
def secret(etcd_cluster, apiserver_program, tmp_path):
    """Create a Secret by an API server on the cluster, and return the key that encrypts it."""
    key = base64.b64encode(os.urandom(32)).decode()
    providers = [{"secretbox": {"keys": [{"name": "key-2", "secret": key}]}}, {"identity": {}}]
    config = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration", "resources": [{"resources": ["secrets"], "providers": providers}]}
    (tmp_path / "encryption.json").write_text(json.dumps(config))
    directory = tmp_path / "apiserver"
    directory.mkdir()
    server = ApiServer(directory, apiserver_program, etcd_cluster.programs / "etcd")
    pki = etcd_cluster.pki
    changes = {
        "etcd-servers": ",".join(host.client_url for host in etcd_cluster.hosts),
        "etcd-cafile": pki / "ca.crt",
        "etcd-certfile": pki / "kube-apiserver.crt",
        "etcd-keyfile": pki / "kube-apiserver.key",
        "encryption-provider-config": tmp_path / "encryption.json",
    }
    kept = [flag for flag in server._command if not flag.startswith("--etcd-servers=")]
    server._command = [*kept, *(f"--{name}={value}" for name, value in changes.items())]
    try:
        server.start()
        server.await_ready()
        certificate, private = Pair("admin", "system:masters", server.authority).write(tmp_path / "admin")
        server._tls.load_cert_chain(certificate, private)
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "precious"}, "stringData": {"word": "hidden"}}
        request = urllib.request.Request(
            f"https://127.0.0.1:{server.port}/api/v1/namespaces/default/secrets", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, context=server._tls, timeout=20) as response:
            assert response.status == 201
    finally:
        server.close()
    return key


def test_a_secret_is_decrypted_from_the_snapshot(etcd_cluster, secret, tmp_path):
    options = {
        "id": "prod", "url": etcd_cluster.hosts[2].client_url, "directory": str(tmp_path / "snapshots"), "programs": str(etcd_cluster.programs),
        "account": "root", "verify_timeout": 60, "former_passwords": [], "user": "root",
    }  # fmt: skip
    snapshot = Snapshot({**etcd_cluster.connection(), **options})
    found = snapshot.take()
    snapshot.remove()
    assert found["secrets"] == {"secretbox:v1:key-2": 1} and found["objects"]["namespaces"] >= 1
    records = {"credentials/encryption-at-rest": [{"created_at": "", "public": {}, "secret": {"key": secret}}]}
    check_samples(found["samples"], records)
    other = {"credentials/encryption-at-rest": [{"created_at": "", "public": {}, "secret": {"key": base64.b64encode(bytes(32)).decode()}}]}
    with pytest.raises(HostError, match="which none of the 1 keys in the store decrypts"):
        check_samples(found["samples"], other)

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster as users and unauthenticated clients see it."""

from __future__ import annotations

import pytest
from scenario import VERSION, get

testinfra_hosts = ["ansible://proxy-0?force_ansible=False"]

CA = "/etc/kubernetes/pki/kubernetes-ca.crt"


@pytest.fixture
def status(host):
    """Return the HTTP status that a client without credentials gets."""
    return lambda url: host.run(f"curl --silent --cacert {CA} --output /dev/null --write-out '%{{http_code}}' {url}").stdout


def test_every_worker_is_ready_and_named_by_its_address():
    nodes = get("nodes")["items"]
    assert sorted(node["metadata"]["name"] for node in nodes) == ["10.30.1.21", "10.30.1.22", "10.30.1.23"]
    for node in nodes:
        assert {"type": "Ready", "status": "True"}.items() <= next(c for c in node["status"]["conditions"] if c["type"] == "Ready").items()
        assert node["status"]["nodeInfo"]["kubeletVersion"] == f"v{VERSION}"


@pytest.mark.parametrize("endpoint", ["https://10.30.1.91:8443", "https://10.30.1.11:8443", "https://10.30.1.12:8443", "https://master.cfcr.internal:8443"])
def test_unauthenticated_clients_can_read_health_only(status, endpoint):
    assert status(f"{endpoint}/readyz") == "200"
    for path in ("/api", "/version", "/api/v1/namespaces/kube-system/secrets"):
        assert status(endpoint + path) == "401"


def test_kubelets_refuse_unauthenticated_clients(status):
    assert status("https://10.30.1.21:10250/pods") == "401"


def test_haproxy_sees_every_backend(host):
    up = host.check_output("curl --silent http://127.0.0.1:8404/metrics | grep '^haproxy_server_status.*state=\"UP\"} 1$'")
    for proxy, server in (("masters", "master-0"), ("masters", "master-1"), ("smoke", "worker-0"), ("smoke", "worker-1"), ("smoke", "worker-2")):
        assert f'proxy="{proxy}",server="{server}"' in up


def test_the_metrics_api_is_available_and_verified():
    """No kube-proxy runs on masters, so API servers reach metrics-server by the address of its pod, not through its Service."""
    service = get("apiservice", "v1beta1.metrics.k8s.io")
    assert not service["spec"].get("insecureSkipTLSVerify")
    assert service["spec"]["caBundle"]
    assert {"type": "Available", "status": "True"}.items() <= service["status"]["conditions"][0].items()


def test_every_pod_runs():
    pods = get("pods", "--all-namespaces")["items"]
    assert len(pods) >= 3
    assert {pod["status"]["phase"] for pod in pods} == {"Running"}

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module pod_security_info against a real API server, which enforces nothing."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import Kubernetes
from ansible_collections.cfcr.kubernetes.plugins.modules import pod_security_info

ENFORCE = "pod-security.kubernetes.io/enforce"
NAMESPACES = {"asks": {}, "asks-labelled": {ENFORCE: "privileged"}, "asks-good": {}, "asks-formerly": {}}
HOST_PATH = {"volumes": [{"name": "etc", "hostPath": {"path": "/etc"}}]}


@pytest.fixture(scope="module")
def cluster(apiserver):
    """Return a client of a cluster with pods that baseline refuses."""
    found = Kubernetes(apiserver.kubeconfig, 30)
    for name, labels in NAMESPACES.items():
        found.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        found.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}})
    pods = [(name, "asks", {"hostPID": True}) for name in ("a", "b", "c")]
    pods += [("path", namespace, HOST_PATH) for namespace in ("asks", "asks-labelled", "asks-formerly")] + [("good", "asks-good", {})]
    for name, namespace, spec in pods:
        container = {"name": "main", "image": "none"}
        found.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": {"containers": [container], **spec}})
    return found


@pytest.fixture
def ask(apiserver, cluster, capsys):
    def call(**options):
        arguments = {"kubeconfig": apiserver.kubeconfig, "level": "baseline", **options, "_ansible_check_mode": True}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            pod_security_info.main()
        return json.loads(capsys.readouterr().out)

    return call


def summary(answer):
    assert answer["problem"] is None
    return [(entry["namespace"], entry["pod"], entry["others"]) for entry in answer["refused"] if entry["namespace"] in NAMESPACES]


def test_the_server_names_pods_by_reason_and_changes_nothing(ask, cluster):
    answer = ask()
    assert summary(answer) == [("asks", "a", 2), ("asks", "path", 0), ("asks-formerly", "path", 0)]
    assert [entry["reason"].split(" (")[0] for entry in answer["refused"]][:2] == ["host namespaces", "hostPath volumes"]
    labels = cluster.get({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "asks"}})["metadata"]["labels"]
    assert ENFORCE not in labels


def test_exempt_namespaces_are_left_out(ask):
    assert summary(ask(exempt_namespaces=["asks", "asks-formerly"])) == []


def test_pods_of_a_namespace_that_was_exempt_are_counted(ask):
    answer = ask(exempt_namespaces=["asks"], formerly_exempt_namespaces=["asks-formerly", "asks-labelled", "gone"])
    assert summary(answer) == [("asks-formerly", "", 0)]
    assert "1 pod, " in answer["refused"][0]["reason"]


def test_restricted_refuses_more(ask):
    assert ("asks-good", "good", 0) in summary(ask(level="restricted"))


def test_another_server_answers_if_the_endpoint_does_not(ask, apiserver, tmp_path):
    config = json.loads(open(apiserver.kubeconfig, encoding="utf-8").read())
    server = config["clusters"][0]["cluster"]["server"]
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    assert summary(ask(kubeconfig=str(path), servers=["https://127.0.0.1:2", server], timeout=1)) != []
    answer = ask(kubeconfig=str(path), timeout=1)
    assert answer["refused"] == [] and "https://127.0.0.1:1" in answer["problem"]
    assert "No such file" in ask(kubeconfig="/nonexistent")["problem"]

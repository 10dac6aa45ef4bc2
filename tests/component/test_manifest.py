# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module manifest against a real API server."""

from __future__ import annotations

import base64
import json
import threading

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import Kubernetes
from ansible_collections.cfcr.kubernetes.plugins.modules import manifest


def config_map(name, data, namespace="kube-system"):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def deployment(name, replicas=1, image="none"):
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": image}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def namespace(name):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


@pytest.fixture
def cluster(apiserver):
    return Kubernetes(apiserver.kubeconfig, 10)


@pytest.fixture
def apply(apiserver, capsys, request):
    """Return a function that calls the module for an ApplySet of this test; the set is emptied afterwards."""

    def call(objects, check=False, fails=False, **options):
        arguments = {"kubeconfig": apiserver.kubeconfig, "name": request.node.name.replace("_", "-").lower(), "timeout": 20, **options}
        with patch_module_args({**arguments, "objects": objects, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            manifest.main()
        result = json.loads(capsys.readouterr().out)
        assert bool(result.get("failed")) == fails, result
        return result

    yield call
    call([])


def test_four_runs(apply, cluster):
    """Check, apply, apply, check: the first run makes the predicted changes, and the later ones make none."""
    objects = [config_map("four", {"a": "1"}), deployment("four")]
    predicted = apply(objects, check=True)
    assert predicted["changed"] and cluster.get(objects[0]) is None
    applied = apply(objects)
    assert applied["changed"] and applied["diff"] == predicted["diff"]
    assert applied["applied"] == ["ConfigMap kube-system/four", "ConfigMap kube-system/test-four-runs", "Deployment default/four"]
    assert cluster.get(objects[0])["data"] == {"a": "1"}
    for check in (False, True):
        again = apply(objects, check=check)
        assert not again["changed"] and again["diff"] == {"before": {}, "after": {}} and again["applied"] == again["pruned"] == []


def test_check_mode_needs_no_api(apply, tmp_path):
    """As on hosts that are not configured yet."""
    objects = [config_map("later", {"a": "1"})]
    predicted = apply(objects, check=True, kubeconfig=str(tmp_path / "kubeconfig"))
    assert predicted["changed"] and predicted["applied"] == ["ConfigMap kube-system/later"]
    assert "No such file" in predicted["diff"]["before"]["not compared"]
    apply(objects, fails=True, kubeconfig=str(tmp_path / "kubeconfig"))


def test_only_what_differs_is_written(apply, cluster):
    first, second = config_map("differs-1", {"a": "1"}), config_map("differs-2", {"a": "1"})
    apply([first, second])
    before = cluster.get(first)
    result = apply([first, config_map("differs-2", {"a": "2"})])
    assert result["applied"] == ["ConfigMap kube-system/differs-2"]
    assert result["diff"]["before"]["ConfigMap kube-system/differs-2"]["data"] == {"a": "1"}
    assert result["diff"]["after"]["ConfigMap kube-system/differs-2"]["data"] == {"a": "2"}
    assert cluster.get(first) == before


def test_drift_is_corrected_and_objects_are_adopted(apply, cluster):
    """The module takes over objects and fields that another tool created or changed."""
    wanted = config_map("drift", {"a": "1"})
    cluster.request("PATCH", "/api/v1/namespaces/kube-system/configmaps/drift", config_map("drift", {"a": "theirs"}),
                    {"Content-Type": "application/apply-patch+yaml"}, fieldManager="theirs")
    result = apply([wanted])
    assert result["diff"]["before"]["ConfigMap kube-system/drift"]["data"] == {"a": "theirs"}
    assert cluster.get(wanted)["data"] == {"a": "1"}
    assert not apply([wanted])["changed"]


def test_prune(apply, cluster):
    """Objects that leave the list are deleted, even if no other object of their kind is in it. Objects outside the set stay."""
    stays, goes, kind_goes = config_map("stays", {}), config_map("goes", {}), deployment("kind-goes")
    apply([stays, goes, kind_goes])
    predicted = apply([stays], check=True)
    assert predicted["pruned"] == ["ConfigMap kube-system/goes", "Deployment default/kind-goes"] and cluster.get(goes)
    assert apply([stays])["pruned"] == predicted["pruned"]
    assert cluster.get(goes) is None and cluster.get(kind_goes) is None and cluster.get(stays)
    assert not apply([stays])["changed"]
    assert apply([])["pruned"] == ["ConfigMap kube-system/stays", "ConfigMap kube-system/test-prune"]
    assert not apply([])["changed"]


def test_namespace_and_definition_come_first(apply, cluster):
    """A set may contain the namespace and the definition of its own objects, in any order, and check mode supports that too."""
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.test.cfcr.internal"},
        "spec": {
            "group": "test.cfcr.internal",
            "names": names,
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    widget = {"apiVersion": "test.cfcr.internal/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "brought"}, "size": 1}
    objects = [widget, config_map("inside", {}, "brought"), definition, namespace("brought")]
    assert apply(objects, check=True)["changed"]
    assert apply(objects, wait=True)["changed"]
    assert not apply(objects, wait=True)["changed"]
    cluster.forget()
    assert cluster.get(widget)["size"] == 1


def test_secrets_are_hidden(apply, cluster):
    secret = {"name": "hidden", "namespace": "default", "data": {"a": "first-value", "b": "same-value"}}
    first = apply([], secrets=[secret])
    second = apply([], secrets=[{**secret, "data": {"a": "other-value", "b": "same-value"}}])
    diff = second["diff"]
    assert diff["before"]["Secret default/hidden"]["data"] == {"a": "(hidden, before)", "b": "(hidden)"}
    assert diff["after"]["Secret default/hidden"]["data"] == {"a": "(hidden, after)", "b": "(hidden)"}
    stored = cluster.get({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hidden", "namespace": "default"}})
    assert base64.b64decode(stored["data"]["a"]) == b"other-value"
    for result in (first, second):
        text = json.dumps(result)
        for value in ("first-value", "other-value", "same-value"):
            assert value not in text and base64.b64encode(value.encode()).decode() not in text


def test_wait_names_object_and_reason(apply, cluster):
    """No controller runs here, so the Deployment never becomes available."""
    waiting = {"name": "main", "image": "none", "imageID": "", "ready": False, "restartCount": 0,
               "state": {"waiting": {"reason": "ErrImageNeverPull", "message": "not on this host"}}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stuck-1", "namespace": "default", "labels": {"app": "stuck"}},
           "spec": {"containers": [{"name": "main", "image": "none"}]}}
    cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}})
    cluster.apply(pod)
    cluster.request("PATCH", "/api/v1/namespaces/default/pods/stuck-1/status",
                    {"apiVersion": "v1", "kind": "Pod", "status": {"containerStatuses": [waiting]}},
                    {"Content-Type": "application/merge-patch+json"})
    message = apply([deployment("stuck")], wait=True, timeout=1, fails=True)["msg"]
    assert message == (
        "Deployment default/stuck is not available: its controller has not seen it yet; "
        "Pod default/stuck-1: main: ErrImageNeverPull: not on this host (after 1 seconds)"
    )


def test_wait_ends_when_available(apply, cluster):
    wanted = deployment("soon")

    def be_a_controller():
        while (found := cluster.get(wanted)) is None:
            pass
        status = {"observedGeneration": found["metadata"]["generation"], "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1,
                  "readyReplicas": 1}
        cluster.request("PATCH", "/apis/apps/v1/namespaces/default/deployments/soon/status", {"status": status},
                        {"Content-Type": "application/merge-patch+json"})

    controller = threading.Thread(target=be_a_controller)
    controller.start()
    apply([wanted], wait=True)
    controller.join()


def test_waits_for_the_server(apply, apiserver):
    apiserver.stop()
    threading.Timer(1, apiserver.start).start()
    assert apply([config_map("late", {})], timeout=60)["changed"]
    apiserver.await_ready()


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([{"kind": "ConfigMap"}], "object 0 of the list: expected apiVersion, kind and metadata.name"),
        ([config_map("twice", {}), config_map("twice", {})], "ConfigMap kube-system/twice is in the list twice"),
        ([{"apiVersion": "v1", "kind": "Nothing", "metadata": {"name": "n"}}], "Nothing n: the API server does not serve Nothing of v1"),
        ([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "n"}}], "ConfigMap n: ConfigMap needs metadata.namespace"),
        ([config_map("n", {}, "nowhere")], "ConfigMap nowhere/n: its namespace or its kind does not exist"),
        ([config_map("n", "text")], "PATCH /api/v1/namespaces/kube-system/configmaps/n: 500 failed to create typed"),
    ],
)
def test_errors(apiserver, capsys, objects, message):
    arguments = {"kubeconfig": apiserver.kubeconfig, "name": "errors", "timeout": 5, "objects": objects}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        manifest.main()
    result = json.loads(capsys.readouterr().out)
    assert result["failed"] and result["msg"].startswith(message), result["msg"]

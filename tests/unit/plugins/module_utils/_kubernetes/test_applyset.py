# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ApplySets: labels, validation and differences."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes import applyset
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import KubernetesError


def thing(name, kind="ConfigMap", api_version="v1", namespace="default", **content):
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **content}


def by_identity(*objects):
    return {applyset.identity(obj): obj for obj in objects}


def test_the_id_follows_the_specification():
    """base64url(sha256("addons.kube-system.ConfigMap.")), by `printf … | openssl sha256 -binary | basenc --base64url`."""
    assert applyset.set_id("addons", "kube-system") == "applyset-zYpUDXLOf99WZlUjDFGohrnbIYOzsYhw3log3u9EezY-v1"


def test_the_parent_records_kinds_and_namespaces():
    identities = [("apps", "Deployment", "web", "a"), ("", "ConfigMap", "kube-system", "b"), ("", "Namespace", "", "web")]
    owner = applyset.owner("set", "kube-system", identities)
    annotations = owner["metadata"]["annotations"]
    assert annotations["applyset.kubernetes.io/contains-group-kinds"] == "ConfigMap,Deployment.apps,Namespace"
    assert annotations["applyset.kubernetes.io/additional-namespaces"] == "web"
    assert applyset.recorded_kinds(owner) == {("apps", "Deployment"), ("", "ConfigMap"), ("", "Namespace")}
    assert applyset.recorded_kinds(None) == applyset.recorded_kinds(thing("other")) == set()


def test_members_are_labelled_and_keep_their_order():
    objects = [thing("a"), thing("d", kind="CustomResourceDefinition"), thing("b"), thing("n", kind="Namespace")]
    objects[0]["metadata"]["labels"] = {"own": "label"}
    found = applyset.members(objects, "the-set")
    assert [obj["metadata"]["name"] for obj in found] == ["n", "d", "a", "b"]
    assert found[2]["metadata"]["labels"] == {
        "own": "label",
        "app.kubernetes.io/managed-by": "cfcr",
        "applyset.kubernetes.io/part-of": "the-set",
    }
    assert objects[0]["metadata"]["labels"] == {"own": "label"}


@pytest.mark.parametrize(
    ("objects", "message"),
    [([thing("a"), thing("a")], "ConfigMap default/a is in the list twice"), ([{"kind": "ConfigMap"}], "object 0 of the list: expected apiVersion")],
)
def test_invalid_members_are_refused(objects, message):
    with pytest.raises(KubernetesError, match=message):
        applyset.members(objects, "the-set")


def test_the_same_name_in_another_group_is_another_object():
    objects = [thing("a", kind="Ingress", api_version="networking.k8s.io/v1"), thing("a", kind="Ingress", api_version="x.io/v1")]
    assert len(applyset.members(objects, "the-set")) == 2


def test_fields_of_the_server_are_ignored():
    was = thing("a", data={"k": "v"}, status={"ready": False})
    was["metadata"].update(resourceVersion="1", uid="u", managedFields=[], generation=1, creationTimestamp="then")
    will = thing("a", data={"k": "v"}, status={"ready": True})
    assert applyset.differences(by_identity(was), by_identity(will)) == ({}, {})


def test_differences_are_created_changed_and_removed_objects():
    before = by_identity(thing("same"), thing("changed", data={"k": "1"}), thing("removed"))
    after = by_identity(thing("same"), thing("changed", data={"k": "2"}), thing("created"))
    assert applyset.differences(before, after) == (
        {"ConfigMap default/changed": thing("changed", data={"k": "1"}), "ConfigMap default/removed": thing("removed")},
        {"ConfigMap default/changed": thing("changed", data={"k": "2"}), "ConfigMap default/created": thing("created")},
    )


def test_data_of_secrets_is_hidden_and_its_change_is_shown():
    was = thing("s", kind="Secret", data={"kept": "a", "changed": "b", "removed": "c"})
    will = thing("s", kind="Secret", data={"kept": "a", "changed": "B", "created": "d"})
    old, new = applyset.differences(by_identity(was), by_identity(will))
    assert old["Secret default/s"]["data"] == {"kept": "(hidden)", "changed": "(hidden, before)", "removed": "(hidden, before)"}
    assert new["Secret default/s"]["data"] == {"kept": "(hidden)", "changed": "(hidden, after)", "created": "(hidden, after)"}
    assert was["data"]["kept"] == "a"

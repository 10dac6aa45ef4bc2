# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keys and values of Kubernetes in etcd say."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd import registry


@pytest.mark.parametrize(
    "key, resource",
    [
        ("/registry/pods/default/web", "pods"),
        ("/registry/namespaces/default", "namespaces"),
        ("/registry/services/specs/default/web", "services/specs"),
        ("/registry/example.com/things/default/a", "example.com/things"),
        ("/registry/apiregistration.k8s.io/apiservices/v1.", "apiregistration.k8s.io/apiservices"),
        ("/registry/ranges/serviceips", "ranges"),
        ("/registry/a", "a"),
    ],
)
def test_the_resource_of_a_key(key, resource):
    assert registry.resource(key) == resource


@pytest.mark.parametrize(
    "value, name",
    [
        (b"k8s:enc:secretbox:v1:key-2:\x00\x01:\xff", "secretbox:v1:key-2"),
        (b"k8s:enc:aescbc:v1:key-1:abc", "aescbc:v1:key-1"),
        (b"k8s\x00\n\x0c\n\x02v1", "plain"),
    ],
)
def test_what_a_value_is_encrypted_with(value, name):
    assert registry.encryption(value) == name


def test_all_values_are_read_at_one_revision():
    keys = [f"/registry/secrets/default/secret-{number}".encode() for number in range(5)]
    revisions = []

    class Etcd:
        @staticmethod
        def call(path, body):
            assert path == "/v3/kv/range"
            revisions.append(body["revision"])
            begin = base64.b64decode(body["key"])
            found = [key for key in keys if key >= begin]
            pairs = [{"key": base64.b64encode(key).decode(), "value": base64.b64encode(key[-1:]).decode()} for key in found[: body["limit"]]]
            return {"kvs": pairs, "more": len(found) > body["limit"], "header": {"revision": "42"}}

    assert [value for _key, value in registry.pairs(Etcd, "/registry/secrets/", page=2)] == [b"0", b"1", b"2", b"3", b"4"]
    assert revisions == ["0", "42", "42"]

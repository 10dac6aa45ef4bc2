# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decryption of Secrets with the keys of the store."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup.secretbox import open_box
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup.secrets import check_samples, encryption_keys
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError

# The test vector of NaCl (tests/secretbox.c).
KEY = bytes.fromhex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")
NONCE = bytes.fromhex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37")
BOX = bytes.fromhex(
    "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb8"
    "63d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5"
)
TEXT = bytes.fromhex(
    "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7f"
    "a1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705"
)


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def record(key: bytes, *others: bytes) -> dict:
    kept = {"others": [{"key": encoded(one)} for one in others]} if others else {}
    return {"created_at": "", "public": {"type": "key"}, "secret": {"key": encoded(key), **kept}}


def test_a_box_is_opened_with_its_key_only():
    assert open_box(KEY, NONCE, BOX) == TEXT
    assert open_box(KEY, NONCE, BOX[:-1]) is None and open_box(KEY, NONCE, BOX[:15]) is None
    assert open_box(bytes(32), NONCE, BOX) is None and open_box(KEY[:31], NONCE, BOX) is None
    assert open_box(KEY, NONCE[::-1], BOX) is None
    for at in range(0, len(BOX), 13):
        assert open_box(KEY, NONCE, BOX[:at] + bytes([BOX[at] ^ 1]) + BOX[at + 1 :]) is None


def test_the_keys_of_the_history_are_used():
    first, second, third = (bytes([number]) * 32 for number in range(3))
    records = {"credentials/encryption-at-rest": [record(first), record(first, second), record(third, first)]}
    assert encryption_keys(records) == [third, first, second]
    assert encryption_keys({}) == []


@pytest.fixture
def sample(monkeypatch):
    """Return a Secret in etcd. Its text does not begin like an object."""
    monkeypatch.setattr("ansible_collections.cfcr.kubernetes.plugins.module_utils._backup.secrets._PLAIN", (TEXT[:4],))
    return {"secretbox:v1:key-7": {"key": "/registry/secrets/a/b", "value": encoded(b"k8s:enc:secretbox:v1:key-7:" + NONCE + BOX)}}


def test_a_secret_that_the_store_decrypts(sample):
    check_samples(sample, {"credentials/encryption-at-rest": [record(bytes(32)), record(bytes(32), KEY)]})
    check_samples({}, {})


@pytest.mark.parametrize("records", [{}, {"credentials/encryption-at-rest": [record(bytes(32))]}])
def test_a_store_without_the_key(sample, records):
    with pytest.raises(HostError, match="/registry/secrets/a/b: found a Secret that is encrypted with secretbox:v1:key-7, which none of the") as error:
        check_samples(sample, records)
    assert encoded(KEY) not in str(error.value)


def test_another_provider():
    with pytest.raises(HostError, match="encrypted with aescbc, expected secretbox"):
        check_samples({"aescbc:v1:a": {"key": "/registry/secrets/a/b", "value": "AAAA"}}, {})

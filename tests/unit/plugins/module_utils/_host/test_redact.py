# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets are removed from texts."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host.redact import Redaction, certificates_only
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki import x509

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("user:\n  token: abc.def\n  name: x", "user:\n  token: (removed)\n  name: x"),
        ('{"client_secret": "s3 \\" cret", "url": "x"}', '{"client_secret": (removed), "url": "x"}'),
        ("ETCD_ROOT_PASSWORD=hunter2", "ETCD_ROOT_PASSWORD=(removed)"),
        ("--service-token='a b'", "--service-token=(removed)"),
        ("client-key-data: LS0tLS1CRUdJTg==", "client-key-data: (removed)"),
        ("Authorization: Bearer abcdef.123456", "Authorization: Bearer (removed)"),
        (f"denied {TOKEN} because", "denied (removed) because"),
        ("GET http://me:pass@mirror/x", "GET http://(removed)@mirror/x"),
        ("key:\n-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY-----\nafter", "key:\n(removed)\nafter"),
        ("-----BEGIN PRIVATE KEY-----\nabc\ncut off", "(removed)"),
        ("db_pass=hunter2 pwd: hunter2", "db_pass=(removed) pwd: (removed)"),
        ("The password is hunter2.", "The password is (removed)"),
        ("login --token hunter2 --quiet", "login --token (removed) --quiet"),
        ("password:\n  hunter2\nuser: x", "password:\n  (removed)\nuser: x"),
        ("password: |\n  hunter2\nuser: x", "password: |\n  (removed)\nuser: x"),
        ("secret: /9dKj2Lm0Qx7Yw3Rt5Zp8Vb1Nc4Hs6Gf=", "secret: (removed)"),
        ("login as hvs.CAESIJ0Qx7Yw3Rt5Zp8Vb1Nc4Hs6Gf failed", "login as (removed) failed"),
        ("kubeadm join 07401b.f395accd246ae52d", "kubeadm join (removed)"),
    ],
)
def test_values_that_look_like_secrets_are_removed(text, rest):
    assert Redaction([])(text) == rest


@pytest.mark.parametrize(
    "text",
    [
        "client_secret_file: /etc/cf-routing/client-secret",
        "--use-service-account-credentials=true --profiling=false",
        "client-key: /etc/kubernetes/pki/kubelet.key",
        'qps=100 burstTokens=10 service="podresources"',
        "token:\n  next: value",
        "tokens:\n  - name: x",
        "--token-file /var/lib/x --service-account-issuer x",
        "the token is /var/run/secrets/kubernetes.io/serviceaccount/token",
        "etcd-server 3.6.16 passes; coredns.kube-system 1.2.3",
        "2026-11-21T16:31:07+0000 etcd-0 etcd[170]: elected leader 5b1a75d9711f2335 at term 2",
    ],
)
def test_harmless_values_are_kept(text):
    assert Redaction([])(text) == text


def test_contents_of_secret_files_are_removed_everywhere():
    encryption = "kind: EncryptionConfiguration\nkeys:\n- {name: key-1, secret: 9dKj2Lm0Qx7Yw3Rt5Zp8Vb1Nc4Hs6Gf=}\n"
    redact = Redaction(["correct-horse\n", encryption])
    assert redact("logged in with correct-horse, key 9dKj2Lm0Qx7Yw3Rt5Zp8Vb1Nc4Hs6Gf=") == "logged in with (removed), key (removed)"
    assert redact("kind: EncryptionConfiguration") == "kind: EncryptionConfiguration"


def test_single_lines_of_a_key_are_removed():
    key = x509.new_private_key("rsa-2048")
    redact = Redaction([key])
    for line in key.splitlines()[1:-1]:
        assert line not in redact(f"before {line} after")


def test_a_line_of_a_key_without_a_digit_is_removed():
    key = "-----BEGIN PRIVATE KEY-----\nguTMpmxXmNicDNvtnXmFybIa\n-----END PRIVATE KEY-----\n"
    assert Redaction([key])("before guTMpmxXmNicDNvtnXmFybIa after") == "before (removed) after"


def test_only_certificates_are_kept():
    key = x509.new_private_key("ecdsa-p256")
    certificate = x509.new_authority("cfcr", 10, key, x509.now())
    assert certificates_only(f"{key}comment\n{certificate}") == certificate
    assert certificates_only(key) == ""


@pytest.mark.parametrize("before", ["", "a", "ab"])
def test_base64_of_a_known_secret_is_removed(before):
    redact = Redaction(["correct-horse-battery\n"])
    encoded = base64.b64encode(f"{before}correct-horse-battery\n".encode()).decode()
    left = redact(f"data: {encoded}")
    assert left.startswith("data: ") and "(removed)" in left and len(left) <= len("data: (removed)") + 6

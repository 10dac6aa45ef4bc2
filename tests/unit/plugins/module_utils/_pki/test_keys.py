# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import subprocess

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki.keys import KEY_TYPES, generate, parse, public_key


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_the_public_half_equals_that_of_openssl(key_type):
    pem = generate(key_type)
    key = parse(pem)
    der = subprocess.run(["openssl", "pkey", "-pubout", "-outform", "DER"], input=pem, capture_output=True, check=True).stdout
    assert key == (key_type, base64.b64encode(der).decode())


@pytest.mark.parametrize("key_type", ["ecdsa-p256", "rsa-2048"])
def test_a_truncated_key_is_unreadable(key_type, tmp_path):
    pem = generate(key_type)
    path = tmp_path / "torn.key"
    for length in (0, 10, 30, len(pem) // 2, len(pem) - 40, len(pem) - 5):
        path.write_bytes(pem[:length])
        assert public_key(str(path)) is None
    path.write_bytes(b"\0" * len(pem))
    assert public_key(str(path)) is None


def test_a_missing_file_has_no_key(tmp_path):
    assert public_key(str(tmp_path / "none.key")) is None


@pytest.mark.parametrize("arguments", [["ecparam", "-name", "prime256v1", "-genkey", "-noout"], ["genrsa", "-traditional", "2048"]])
def test_other_formats_of_openssl_are_read(arguments, tmp_path):
    path = tmp_path / "other.key"
    path.write_bytes(subprocess.run(["openssl", *arguments], capture_output=True, check=True).stdout)
    assert b"PRIVATE KEY" in path.read_bytes()
    assert public_key(str(path)).type in KEY_TYPES


def test_an_encrypted_key_is_unreadable(tmp_path):
    path = tmp_path / "encrypted.key"
    encrypted = subprocess.run(
        ["openssl", "pkey", "-aes256", "-passout", "pass:x"], input=generate("ecdsa-p256"), capture_output=True, check=True
    ).stdout
    path.write_bytes(encrypted)
    assert public_key(str(path)) is None


def test_a_key_of_another_kind_is_unsupported(tmp_path):
    path = tmp_path / "p521.key"
    path.write_bytes(
        subprocess.run(
            ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"], capture_output=True, check=True
        ).stdout
    )
    assert public_key(str(path)).type not in KEY_TYPES

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules credential and certificate_authority, each run in this process as Ansible runs them."""

from __future__ import annotations

import base64
import json
import subprocess

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.cfcr.kubernetes.plugins.modules import certificate_authority, credential

PASSWORD = {"name": "etcd-root", "type": "password"}
KEY = {"name": "encryption-at-rest", "type": "key", "bytes": 32}
RSA = {"name": "service-account", "type": "rsa"}
ADMIN = {"name": "admin", "type": "certificate", "authority": "kubernetes", "common_name": "admin", "organizations": ["system:masters"]}


@pytest.fixture
def run(tmp_path, capsys):
    def run_module(module, check=False, **options):
        with patch_module_args({"store": str(tmp_path / "store"), **options, "_ansible_check_mode": check}):
            with pytest.raises(SystemExit):
                module.main()
        return json.loads(capsys.readouterr().out)

    def run_credential(*credentials, **options):
        return run_module(credential, credentials=list(credentials), **options)

    run_credential.authority = lambda **options: run_module(
        certificate_authority, authorities=[{"name": "kubernetes", **options.pop("authority", {})}], **options
    )
    return run_credential


def test_check_apply_apply_check(run, tmp_path):
    all_of_them = (PASSWORD, KEY, RSA, ADMIN)
    assert run.authority(check=True)["authorities"] == {"kubernetes": {"certificate": "", "bundle": "", "not_after": ""}}
    foretold = run(*all_of_them, check=True)
    assert foretold["changed"]
    assert foretold["credentials"]["service-account"] == {"private_key": "", "public_key": ""}
    assert not (tmp_path / "store").exists()
    bundle = run.authority()["authorities"]["kubernetes"]["bundle"]
    made = run(*all_of_them)
    assert made["changed"]
    assert len(made["credentials"]["etcd-root"]["password"]) == 32
    assert len(base64.b64decode(made["credentials"]["encryption-at-rest"]["key"])) == 32
    assert made["credentials"]["admin"]["bundle"] == bundle
    for secret in ("PRIVATE", made["credentials"]["etcd-root"]["password"], made["credentials"]["encryption-at-rest"]["key"]):
        assert secret not in json.dumps(made["diff"])
    for check in (False, True):
        again = run(*all_of_them, check=check)
        assert (again["changed"], again["credentials"]) == (False, made["credentials"])
        assert again["diff"]["before"] == again["diff"]["after"]
    assert not run.authority(check=True)["changed"]


def test_a_value_is_kept_when_it_is_given_and_looked_up_when_not(run):
    value = {"name": "etcd-cluster", "type": "value"}
    unknown = run(value)
    assert (unknown["changed"], unknown["credentials"]) == (False, {"etcd-cluster": {"value": ""}})
    assert run({**value, "value": "2f"}, check=True)["changed"]
    assert run({**value, "value": "2f"})["changed"]
    for again in (value, {**value, "value": "2f"}):
        known = run(again)
        assert (known["changed"], known["credentials"]) == (False, {"etcd-cluster": {"value": "2f"}})
    changed = run({**value, "value": "30"})
    assert changed["diff"]["before"]["etcd-cluster"]["value"] == "2f"
    assert run(value)["credentials"] == {"etcd-cluster": {"value": "30"}}


def test_openssl_accepts_what_is_made(run, tmp_path):
    run.authority()
    made = run(RSA, ADMIN)["credentials"]
    for name, text in (
        ("ca.crt", made["admin"]["bundle"]),
        ("admin.crt", made["admin"]["certificate"]),
        ("admin.key", made["admin"]["private_key"]),
    ):
        (tmp_path / name).write_text(text)
    verify = ["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", "ca.crt", "admin.crt"]
    assert subprocess.run(verify, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "admin.crt: OK\n"
    subject = subprocess.run(
        ["openssl", "x509", "-in", "admin.crt", "-noout", "-subject"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert subject.stdout == "subject=O = system:masters, CN = admin\n"
    public = subprocess.run(
        ["openssl", "pkey", "-pubout"], input=made["service-account"]["private_key"], capture_output=True, text=True, check=True
    ).stdout
    assert public == made["service-account"]["public_key"]


def test_other_options_never_make_a_secret_anew(run):
    run.authority()
    made = run(PASSWORD, KEY, RSA)
    other = run({**PASSWORD, "length": 64}, {**KEY, "bytes": 16}, {**RSA, "bits": 4096})
    assert (other["changed"], other["credentials"]) == (False, made["credentials"])
    assert not run.authority(authority={"common_name": "other", "days": 7, "key_type": "rsa-2048"})["changed"]


def test_a_certificate_is_made_anew_when_it_must_say_something_else(run):
    run.authority()
    made = run(ADMIN)["credentials"]["admin"]
    assert not run({**ADMIN, "key_type": "rsa-2048"})["changed"]
    for change in ({"organizations": ["others"]}, {"organizations": ["others"], "days": 1000, "renew_before_days": 900}):
        foretold = run({**ADMIN, **change}, check=True)
        assert (foretold["changed"], foretold["credentials"]["admin"]) == (True, made)
        new = run({**ADMIN, **change})
        assert new["changed"] and new["credentials"]["admin"]["certificate"] != made["certificate"]
        made = new["credentials"]["admin"]
        assert not run({**ADMIN, **change})["changed"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "a", "type": "certificate"}, "type is certificate but all of the following are missing: authority"),
        ({**ADMIN, "authority": "x"}, "credential admin: no authority x in the store"),
        ({**ADMIN, "common_name": ""}, "credential admin: a certificate needs a common_name"),
        ({**ADMIN, "days": 30}, "credential admin: renew_before_days is 60: allowed are 0 to less than 30"),
        ({**PASSWORD, "length": 3}, "credential etcd-root: length is 3, allowed are 12 and more"),
        ({**PASSWORD, "name": "../x"}, "'../x' is no name for the store"),
        ({**PASSWORD, "name": "service-account"}, "credential service-account is a rsa in the store"),
    ],
)
def test_mistakes(run, entry, message):
    run.authority()
    run(RSA)
    result = run(PASSWORD, entry)
    assert result["failed"] and message in result["msg"]
    assert run(PASSWORD, check=True)["changed"]


def test_a_passphrase(run, tmp_path):
    run.authority(passphrase="right")
    made = run(PASSWORD, ADMIN, passphrase="right")
    text = "".join(path.read_text() for path in (tmp_path / "store").rglob("*.json"))
    assert "PRIVATE" not in text and made["credentials"]["etcd-root"]["password"] not in text
    for passphrase in ("wrong", ""):
        result = run(PASSWORD, passphrase=passphrase)
        assert f"{tmp_path}/store/credentials/etcd-root.json: " in result["msg"] and "passphrase" in result["msg"]
    assert run(PASSWORD, ADMIN, passphrase="right")["credentials"] == made["credentials"]

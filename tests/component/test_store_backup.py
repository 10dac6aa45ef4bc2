# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules credential_info, store_export and store_import, between a directory and Vault."""

from __future__ import annotations

import json
import os
import stat

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store import backup as store_backup
from ansible_collections.cfcr.kubernetes.plugins.modules import certificate_authority, credential, credential_info, store_export, store_import

PASSPHRASE = "a long passphrase"
PASSWORD = {"name": "etcd-root", "type": "password"}
ADMIN = {"name": "admin", "type": "certificate", "authority": "etcd", "common_name": "admin"}
NAMES = ["authorities/etcd", "credentials/admin", "credentials/etcd-root", "credentials/ssh"]


@pytest.fixture
def run(capsys):
    def run_module(module, check=False, **options):
        with patch_module_args({**options, "_ansible_check_mode": check, "_ansible_diff": True}):
            with pytest.raises(SystemExit):
                module.main()
        return json.loads(capsys.readouterr().out)

    return run_module


@pytest.fixture
def local(tmp_path):
    return {"directory": str(tmp_path / "store"), "passphrase": "the store's own"}


@pytest.fixture
def full(run, local):
    """Return a store with a record of each kind, one of which has three versions."""
    run(certificate_authority, store=local, authorities=[{"name": "etcd"}])
    for value in ("the first password", "the second password", "the third password"):
        result = run(credential, store=local, credentials=[{**PASSWORD, "value": value}, {"name": "ssh", "type": "ssh"}, ADMIN])
    return {**local, "values": result["credentials"]}


@pytest.fixture
def backup(run, full, tmp_path):
    """Export the store, and return the arguments that open its backup."""
    arguments = {"path": str(tmp_path / "backup"), "passphrase": PASSPHRASE}
    store = {name: value for name, value in full.items() if name != "values"}
    assert run(store_export, store=store, **arguments)["records"] == NAMES
    return arguments


def values(run, store):
    """Return the values of a store."""
    return run(credential, check=True, store=store, credentials=[PASSWORD, {"name": "ssh", "type": "ssh"}, ADMIN])["credentials"]


def test_info_returns_metadata_without_values(run, full, local):
    for store in (local, {**local, "passphrase": None}):
        result = run(credential_info, store=store)
        assert not result["changed"] and result["store"] == local["directory"]
        text = json.dumps(result)
        assert "PRIVATE" not in text and "password\"," in text and "the third password" not in text
        found = {entry["name"]: entry for entry in result["credentials"]}
        assert [(entry["kind"], entry["type"]) for entry in result["credentials"]] == [
            ("authority", "certificate"),
            ("credential", "certificate"),
            ("credential", "password"),
            ("credential", "ssh"),
        ]
        assert (found["etcd"]["days_left"], found["admin"]["days_left"], found["ssh"]["days_left"]) == (3649, 364, None)
        assert found["etcd"]["certificates"][0]["subject"] == "CN=etcd" and found["admin"]["certificates"][0]["issuer"] == "CN=etcd"
        assert [version["version"] for version in found["etcd-root"]["versions"]] == [1, 2, 3] and found["etcd-root"]["version"] == 3
        assert all(entry["age_days"] == 0 for entry in result["credentials"])
    for days, names in ((365, ["admin"]), (3650, ["etcd", "admin"]), (10, [])):
        assert [entry["name"] for entry in run(credential_info, store=local, expires_within_days=days)["credentials"]] == names
    assert run(credential_info, store={"directory": "/nowhere"})["credentials"] == []


def test_export_and_import(run, full, local, backup, vault, tmp_path):
    assert stat.S_IMODE(os.stat(backup["path"]).st_mode) == 0o600
    with open(backup["path"], "rb") as stream:
        content = stream.read()
    assert b"password" not in content and b"etcd" not in content and b"PRIVATE" not in content
    again = run(store_export, store=local, **backup)
    assert not again["changed"] and again["diff"]["before"] == again["diff"]["after"]
    info = run(credential_info, store=local)["credentials"]
    for target in ({"directory": str(tmp_path / "other")}, {"directory": str(tmp_path / "sealed"), "passphrase": "another passphrase"}, vault.store()):
        predicted = run(store_import, check=True, store=target, **backup)
        assert predicted["changed"] and predicted["records"] == NAMES and run(credential_info, store=target)["credentials"] == []
        imported = run(store_import, store=target, **backup)
        assert imported["diff"] == predicted["diff"] and "PRIVATE" not in json.dumps(imported)
        assert run(credential_info, store=target)["credentials"] == info
        assert values(run, target) == full["values"]
        assert not run(store_import, store=target, **backup)["changed"]
        # An export of the target has the same content.
        assert not run(store_export, store=target, **backup)["changed"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[: len(content) // 2], "not a backup of a store, or damaged or truncated"),
        (lambda content: b"", "not a backup of a store, or damaged or truncated"),
        (lambda content: content.replace(b'"text": "', b'"text": "AAAA'), "not encrypted with this passphrase, or damaged"),
        (lambda content: content.replace(b'"nonce": "', b'"nonce": "!'), "damaged; restore it from a backup"),
        (lambda content: content.replace(b'"format": 1', b'"format": 2'), "not a backup of a store, or damaged or truncated (unknown format)"),
    ],
)
def test_a_damaged_backup_is_not_imported(run, backup, tmp_path, damage, message):
    with open(backup["path"], "rb") as stream:
        content = stream.read()
    with open(backup["path"], "wb") as stream:
        stream.write(damage(content))
    result = run(store_import, store={"directory": str(tmp_path / "other")}, **backup)
    assert result["failed"] and f"{backup['path']}: {message}" in result["msg"]
    assert not (tmp_path / "other").exists()


def test_a_wrong_passphrase_changes_nothing(run, full, local, backup, tmp_path):
    wrong = {**backup, "passphrase": "another passphrase"}
    for module, message in ((store_import, "not encrypted with this passphrase"), (store_export, "set force to replace it")):
        result = run(module, store=local if module is store_export else {"directory": str(tmp_path / "other")}, **wrong)
        assert result["failed"] and message in result["msg"] and "another passphrase" not in json.dumps(result)
    assert not (tmp_path / "other").exists() and not run(store_export, store=local, **backup)["changed"]
    assert run(store_export, store=local, force=True, **wrong)["changed"]
    assert run(store_import, store={"directory": str(tmp_path / "other")}, **wrong)["changed"]


def test_newer_records_are_replaced_only_with_force(run, full, local, backup, tmp_path):
    run(credential, store=local, credentials=[{**PASSWORD, "value": "the fourth password"}])
    run(credential, store=local, credentials=[{"name": "unknown", "type": "key"}])
    refused = run(store_import, store=local, **backup)
    assert refused["failed"] and "has records or versions that the backup does not have: credentials/etcd-root, credentials/unknown" in refused["msg"]
    assert values(run, local)["etcd-root"] == {"password": "the fourth password"}
    forced = run(store_import, store=local, force=True, **backup)
    assert forced["records"] == ["credentials/etcd-root"]
    assert values(run, local) == full["values"]
    info = {entry["name"]: entry for entry in run(credential_info, store=local)["credentials"]}
    assert info["etcd-root"]["version"] == 5 and "unknown" in info


def test_an_interrupted_import_continues(run, full, local, backup, tmp_path, monkeypatch):
    target, put, done = {"directory": str(tmp_path / "other")}, store_backup.Store.put, []

    def put_some(self, name, *arguments):
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(name)
        put(self, name, *arguments)

    monkeypatch.setattr(store_backup.Store, "put", put_some)
    with pytest.raises(KeyboardInterrupt), patch_module_args({"store": target, **backup}):
        store_import.main()
    monkeypatch.setattr(store_backup.Store, "put", put)
    assert done == ["authorities/etcd", "credentials/admin", "credentials/etcd-root", "credentials/etcd-root"]
    assert run(store_import, store=target, **backup)["records"] == ["credentials/etcd-root", "credentials/ssh"]
    assert run(credential_info, store=target)["credentials"] == run(credential_info, store=local)["credentials"]


def test_a_damaged_record_is_restored_alone(run, full, local, backup, tmp_path):
    run(credential, store=local, credentials=[{"name": "newer", "type": "key"}])
    path = tmp_path / "store/credentials/etcd-root.json"
    path.write_text("{")
    for records in ([], ["credentials/etcd-root"]):
        assert f"{path}: damaged" in run(store_import, store=local, records=records, **backup)["msg"]
    path.unlink()
    assert run(store_import, store=local, records=["credentials/etcd-root"], **backup)["records"] == ["credentials/etcd-root"]
    assert values(run, local) == full["values"]
    missing = run(store_import, store=local, records=["credentials/newer"], **backup)
    assert missing["failed"] and "has no credentials/newer; found authorities/etcd" in missing["msg"]


def test_mistakes(run, full, local, backup, tmp_path):
    assert "12 or more" in run(store_export, store=local, path=str(tmp_path / "b"), passphrase="short")["msg"]
    assert "is empty, nothing to back up" in run(store_export, store={"directory": str(tmp_path / "none")}, **backup)["msg"]
    assert "no such file" in run(store_import, store=local, path=str(tmp_path / "b"), passphrase=PASSPHRASE)["msg"]
    assert "/nowhere/b: cannot be written: No such file" in run(store_export, store=local, path="/nowhere/b", passphrase=PASSPHRASE)["msg"]
    assert not run(store_import, store=local, **backup)["changed"]

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules credential and certificate_authority, run in this process as Ansible runs them."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import re
import stat
import subprocess
import sys

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.cfcr.kubernetes.plugins.modules import certificate_authority, credential, director_facts

PASSWORD = {"name": "etcd-root", "type": "password"}
KEY = {"name": "encryption-at-rest", "type": "key", "bytes": 32}
RSA = {"name": "service-account", "type": "rsa"}
SSH = {"name": "hosts", "type": "ssh", "comment": "cfcr"}
ROOT = pathlib.Path(__file__).parents[2]
ADMIN = {"name": "admin", "type": "certificate", "authority": "kubernetes", "common_name": "admin", "organizations": ["system:masters"]}


@pytest.fixture
def run(tmp_path, capsys):
    def run_module(module, check=False, passphrase=None, **options):
        store = {"directory": str(tmp_path / "store"), "passphrase": passphrase}
        with patch_module_args({"store": store, **options, "_ansible_check_mode": check}):
            with pytest.raises(SystemExit):
                module.main()
        return json.loads(capsys.readouterr().out)

    def run_credential(*credentials, **options):
        return run_module(credential, credentials=list(credentials), **options)

    run_credential.module = run_module
    run_credential.authority = lambda **options: run_module(
        certificate_authority, authorities=[{"name": "kubernetes", **options.pop("authority", {})}], **options
    )
    return run_credential


TOKEN = {"name": "etcd-token", "type": "token", "bytes": 16, "adopt": {"credential": "etcd-root", "value": "cfcr"}}


def hosts(complete=True, **groups):
    return {"name": "host-indices", "type": "hosts", "groups": groups, "complete": complete}


def indices(result):
    return {name: entry["index"] for name, entry in result["credentials"]["host-indices"]["hosts"].items()}


def test_hosts_keep_their_indices(run, tmp_path):
    first = hosts(etcd=["a", "b", "c"], master=["m"])
    assert indices(run(first, check=True)) == {"a": 0, "b": 1, "c": 2, "m": 0}
    assert not (tmp_path / "store").exists()
    assert run(first)["changed"]
    assert not run(first)["changed"]
    without_the_first = hosts(etcd=["b", "c"], master=["m"])
    assert indices(run(without_the_first, check=True)) == {"b": 1, "c": 2, "m": 0}
    assert indices(run(without_the_first)) == {"b": 1, "c": 2, "m": 0}
    assert not run(without_the_first)["changed"]
    assert indices(run(hosts(etcd=["new", "b", "c", "d"], master=["m"]))) == {"new": 0, "b": 1, "c": 2, "d": 3, "m": 0}


def test_part_of_a_cluster_frees_no_index_and_begins_no_record(run, tmp_path):
    part = hosts(etcd=["b"], complete=False)
    assert "found part of a cluster, and none in the store" in run(part)["msg"]
    assert not (tmp_path / "store").exists()
    run(hosts(etcd=["a", "b"]))
    found = run(part)
    assert (found["changed"], indices(found)["b"]) == (False, 1)


def test_a_host_of_two_groups_is_refused(run):
    assert run(hosts(etcd=["a"], master=["a"]))["msg"] == "credential host-indices: groups: found a more than once, expected each host once"


def versions(now, **options):
    return {"name": "versions", "type": "versions", "versions": now, **options}


def test_versions_of_a_cluster_change_only_when_they_are_replaced(run):
    old, new = {"catalog": "1.35", "etcd": "3.6.15"}, {"catalog": "1.36", "etcd": "3.6.16"}
    assert run(versions(old), check=True)["credentials"]["versions"] == {"now": old, "former": {}}
    assert run(versions(old))["changed"]
    kept = run(versions(new))
    assert (kept["changed"], kept["credentials"]["versions"]) == (False, {"now": old, "former": {}})
    assert run.module(director_facts)["ansible_facts"]["cfcr_director"]["versions"] == old
    updated = run(versions(new, replace=True))
    assert (updated["changed"], updated["credentials"]["versions"]) == (True, {"now": new, "former": old})
    assert updated["diff"]["before"]["versions"]["now"] == old
    assert not run(versions(new, replace=True))["changed"]


def test_each_store_has_its_own_token(run, tmp_path):
    token = run(TOKEN, PASSWORD)["credentials"]["etcd-token"]["value"]
    assert re.fullmatch("[0-9a-f]{32}", token)
    assert run(TOKEN, PASSWORD)["credentials"]["etcd-token"]["value"] == token
    (tmp_path / "store").rename(tmp_path / "former")
    assert run(TOKEN, PASSWORD)["credentials"]["etcd-token"]["value"] != token


def test_a_store_from_before_the_token_keeps_that_of_its_cluster(run):
    run(PASSWORD)
    assert run(TOKEN, PASSWORD, check=True)["credentials"]["etcd-token"]["value"] == "cfcr"
    assert run(TOKEN, PASSWORD)["credentials"]["etcd-token"]["value"] == "cfcr"
    assert not run({**TOKEN, "adopt": {"credential": "etcd-root", "value": "renamed"}}, PASSWORD)["changed"]


def test_check_apply_apply_check(run, tmp_path):
    all_of_them = (PASSWORD, KEY, RSA, ADMIN)
    assert run.authority(check=True)["authorities"] == {"kubernetes": {"certificate": "", "bundle": "", "not_after": "", "rotation": ""}}
    predicted = run(*all_of_them, check=True)
    assert predicted["changed"]
    assert predicted["credentials"]["service-account"] == {"private_key": "", "public_key": ""}
    assert not (tmp_path / "store").exists()
    bundle = run.authority()["authorities"]["kubernetes"]["bundle"]
    created = run(*all_of_them)
    assert created["changed"]
    assert len(created["credentials"]["etcd-root"]["password"]) == 32
    assert len(base64.b64decode(created["credentials"]["encryption-at-rest"]["key"])) == 32
    assert created["credentials"]["admin"]["bundle"] == bundle
    for secret in ("PRIVATE", created["credentials"]["etcd-root"]["password"], created["credentials"]["encryption-at-rest"]["key"]):
        assert secret not in json.dumps(created["diff"])
    for check in (False, True):
        again = run(*all_of_them, check=check)
        assert (again["changed"], again["credentials"]) == (False, created["credentials"])
        assert again["diff"]["before"] == again["diff"]["after"]
    assert not run.authority(check=True)["changed"]


def test_a_value_is_stored_if_given_and_read_if_not(run):
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


def test_openssl_accepts_keys_and_certificates(run, tmp_path):
    run.authority()
    created = run(RSA, ADMIN)["credentials"]
    for name, text in (
        ("ca.crt", created["admin"]["bundle"]),
        ("admin.crt", created["admin"]["certificate"]),
        ("admin.key", created["admin"]["private_key"]),
    ):
        (tmp_path / name).write_text(text)
    verify = ["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", "ca.crt", "admin.crt"]
    assert subprocess.run(verify, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "admin.crt: OK\n"
    subject = subprocess.run(
        ["openssl", "x509", "-in", "admin.crt", "-noout", "-subject"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert subject.stdout == "subject=O = system:masters, CN = admin\n"
    public = subprocess.run(
        ["openssl", "pkey", "-pubout"], input=created["service-account"]["private_key"], capture_output=True, text=True, check=True
    ).stdout
    assert public == created["service-account"]["public_key"]


def test_changed_options_do_not_replace_a_secret(run):
    run.authority()
    created = run(PASSWORD, KEY, RSA)
    other = run({**PASSWORD, "length": 64}, {**KEY, "bytes": 16}, {**RSA, "bits": 4096})
    assert (other["changed"], other["credentials"]) == (False, created["credentials"])
    assert not run.authority(authority={"common_name": "other", "days": 7, "key_type": "rsa-2048"})["changed"]


def test_a_certificate_is_reissued_if_its_content_changes(run):
    run.authority()
    created = run(ADMIN)["credentials"]["admin"]
    assert not run({**ADMIN, "key_type": "rsa-2048"})["changed"]
    for change in ({"organizations": ["others"]}, {"organizations": ["others"], "days": 1000, "renew_before_days": 900}):
        predicted = run({**ADMIN, **change}, check=True)
        assert (predicted["changed"], predicted["credentials"]["admin"]) == (True, created)
        new = run({**ADMIN, **change})
        assert new["changed"] and new["credentials"]["admin"]["certificate"] != created["certificate"]
        created = new["credentials"]["admin"]
        assert not run({**ADMIN, **change})["changed"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "a", "type": "certificate"}, "type is certificate but all of the following are missing: authority"),
        ({**ADMIN, "authority": "x"}, "credential admin: the store"),
        ({**ADMIN, "common_name": ""}, "credential admin: found neither common_name nor alternative_names"),
        ({**ADMIN, "days": 30}, "credential admin: renew_before_days: found 60, expected 0 or more and less than days (30)"),
        ({**PASSWORD, "kubeconfig": {"path": "/x", "cluster": "c", "server": "s"}}, "credential etcd-root: found a kubeconfig for type password, expected"),
        ({**ADMIN, "kubeconfig": {"path": "/dev/null/x", "cluster": "c", "server": "s"}}, "/dev/null/x: cannot be read: Not a directory"),
        ({**PASSWORD, "length": 3}, "credential etcd-root: length: found 3, expected 12 or more"),
        ({**PASSWORD, **dict.fromkeys(("exclude_lower", "exclude_upper", "exclude_number"), True)}, "etcd-root: found all classes of characters excluded"),
        ({**KEY, "bytes": 8}, "credential encryption-at-rest: bytes: found 8, expected 16 or more"),
        ({**KEY, "value": "!"}, "credential encryption-at-rest: value: found something else, expected base64"),
        ({**KEY, "generate": False}, "credential encryption-at-rest: the store"),
        ({**SSH, "value": "x"}, "credential hosts: value: found something else, expected a private key in OpenSSH's format"),
        ({**RSA, "value": "x"}, "credential service-account: not a private key"),
        ({**ADMIN, "value": "x"}, "credential admin: value: found a value, expected none for a certificate"),
        ({**ADMIN, "key_type": "ed25519"}, "credential admin: key_type: found ed25519, expected for a certificate one of ecdsa-p256"),
        ({**PASSWORD, "value": "x" * 12, "version": 1}, "parameters are mutually exclusive: value|version"),
        ({**PASSWORD, "name": "../x"}, "name: found '../x', expected a-z"),
        ({**PASSWORD, "name": "service-account"}, "credential service-account: found type rsa in the store"),
    ],
)
def test_mistakes(run, entry, message):
    run.authority()
    run(RSA)
    result = run(PASSWORD, entry)
    assert result["failed"] and message in result["msg"]
    assert run(PASSWORD, check=True)["changed"]


def test_a_passphrase(run, tmp_path):
    run.authority(passphrase="the right one")
    created = run(PASSWORD, ADMIN, passphrase="the right one")
    text = "".join(path.read_text() for path in (tmp_path / "store").rglob("*.json"))
    assert "PRIVATE" not in text and created["credentials"]["etcd-root"]["password"] not in text
    for passphrase in ("wrong", ""):
        result = run(PASSWORD, passphrase=passphrase)
        assert f"{tmp_path}/store/credentials/etcd-root.json: " in result["msg"] and "passphrase" in result["msg"]
    assert run(PASSWORD, ADMIN, passphrase="the right one")["credentials"] == created["credentials"]


def test_a_kubeconfig_is_written_and_repaired(run, tmp_path):
    path = tmp_path / "kubeconfig"
    admin = {**ADMIN, "kubeconfig": {"path": str(path), "cluster": "cfcr", "server": "https://a.b:8443"}}
    run.authority()
    predicted = run(admin, check=True)
    assert set(predicted["diff"]["after"]) == {"admin", str(path)} and predicted["diff"]["before"] == {} and not path.exists()

    def assert_valid(server="https://a.b:8443"):
        created = run(admin, check=True)
        assert not created["changed"] and stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "PRIVATE" not in json.dumps(created["diff"]) and base64.b64encode(b"-----BEGIN")[:12].decode() not in json.dumps(created["diff"])
        content = yaml.safe_load(path.read_text())
        assert content["clusters"][0]["cluster"]["server"] == server and content["current-context"] == "cfcr"
        user = {name: base64.b64decode(value).decode() for name, value in content["users"][0]["user"].items()}
        values = created["credentials"]["admin"]
        assert user == {"client-certificate-data": values["certificate"], "client-key-data": values["private_key"]}
        assert base64.b64decode(content["clusters"][0]["cluster"]["certificate-authority-data"]).decode() == values["bundle"]

    assert run(admin)["changed"]
    assert_valid()
    for damage in (path.unlink, lambda: path.write_text("{}"), lambda: path.chmod(0o644)):
        damage()
        predicted = run(admin, check=True)["diff"]
        repaired = run(admin)
        assert repaired["changed"] and repaired["diff"] == predicted
        assert repaired["diff"]["before"].get("admin") == repaired["diff"]["after"]["admin"]
        assert_valid()
    admin["organizations"] = ["others"]  # a new certificate comes with its file
    assert run(admin, check=True)["diff"]["after"][str(path)]["content"] == "with the new certificate"
    assert run(admin)["changed"]
    assert_valid()
    admin["kubeconfig"]["server"] = "https://c.d"
    assert run(admin)["changed"]
    assert_valid("https://c.d")


@pytest.fixture
def play(tmp_path):
    """Return a function that runs a task with ansible-playbook on this machine and returns its result."""

    def run_task(task, check=False):
        path = tmp_path / "play.yml"
        path.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
        program = pathlib.Path(sys.executable).with_name("ansible-playbook")
        options = ["-i", "localhost,", "-e", json.dumps({"ansible_connection": "local", "ansible_python_interpreter": sys.executable})]
        environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        process = subprocess.run(
            [program, *options, *(["--check"] if check else []), "--diff", "-vvv", path],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "secret of the store" not in process.stdout + process.stderr
        return json.loads(process.stdout[process.stdout.index("\n{") :])["plays"][0]["tasks"][0]["hosts"]["localhost"]

    return run_task


def test_the_actions_return_what_the_modules_return(run, play, tmp_path):
    """Actions run in the process of Ansible if the store is on the controller."""
    store = {"store": {"directory": str(tmp_path / "store"), "passphrase": "secret of the store"}}
    kept = ("changed", "diff", "authorities", "credentials", "failed", "msg")

    def compare(module, options, **values):
        by_action = play({f"cfcr.kubernetes.{module.__name__.rpartition('.')[2]}": {**store, **options}}, check=True)
        by_module = run.module(module, check=True, **store, **options)
        assert "invocation" not in by_action
        assert [by_action.get(key) for key in kept if key in by_module] == [by_module[key] for key in kept if key in by_module]
        return by_module

    authorities = {"authorities": [{"name": "kubernetes"}]}
    assert play({"cfcr.kubernetes.certificate_authority": {**store, **authorities}})["changed"]
    assert not compare(certificate_authority, authorities)["changed"]
    credentials = {"credentials": [PASSWORD, KEY, RSA, ADMIN]}
    assert play({"cfcr.kubernetes.credential": {**store, **credentials}})["changed"]
    assert not compare(credential, credentials)["changed"]
    assert compare(credential, {"credentials": [{**ADMIN, "authority": "x"}, {"name": "a", "type": "certificate"}]})["failed"]
    assert compare(credential, {"credentials": [{**RSA, "type": "key"}]})["failed"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "store").rglob("*.json")} == {0o600}


def test_an_external_password_is_stored_once(run):
    given = {"name": "cf-client-secret", "type": "password", "generate": False}

    def keep(**options):
        return run.module(credential, credentials=[{**given, **options}])

    missing = keep()
    assert missing["failed"] and "cf-client-secret" in missing["msg"] and "give its value" in missing["msg"]
    assert keep(value="first")["changed"]
    assert not keep(value="first")["changed"]
    assert keep()["credentials"]["cf-client-secret"] == {"password": "first"}
    changed = keep(value="second")
    assert changed["changed"] and "second" not in str(changed["diff"])
    assert keep()["credentials"]["cf-client-secret"] == {"password": "second"}


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({}, r"[A-Za-z0-9]{32}"),
        ({"length": 12, "exclude_lower": True}, r"[A-Z0-9]{12}"),
        ({"length": 64, "exclude_lower": True, "exclude_upper": True}, r"[0-9]{64}"),
        ({"exclude_number": True, "include_special": True}, r"(?=.*[!-/:-@\[-`{-~])(?=.*[a-z])(?=.*[A-Z])[^0-9\s]{32}"),
    ],
)
def test_passwords_have_the_requested_characters(run, options, pattern):
    assert re.fullmatch(pattern, run({**PASSWORD, **options})["credentials"]["etcd-root"]["password"])


@pytest.mark.parametrize(("key_type", "expected"), [(None, "256 .* (ED25519)"), ("ecdsa-p384", "384 .* (ECDSA)"), ("rsa-3072", "3072 .* (RSA)")])
def test_ssh_accepts_keys(run, tmp_path, key_type, expected):
    created = run({**SSH, **({"key_type": key_type} if key_type else {})})["credentials"]["hosts"]
    path = tmp_path / "key"
    path.write_text(created["private_key"])
    path.chmod(0o600)

    def ssh_keygen(*options):
        return subprocess.run(["ssh-keygen", *options, "-f", path], capture_output=True, text=True, check=True).stdout.strip()

    assert created["public_key"] == f"{ssh_keygen('-y')} cfcr"
    assert re.fullmatch(expected.replace("(", r"\(").replace(")", r"\)"), ssh_keygen("-l"))


def test_external_keys_are_imported(run, tmp_path):
    """A key pair of ssh-keygen, one of openssl, and bytes are stored; the diff shows none of them."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "cfcr", "-f", tmp_path / "ssh"], check=True)
    subprocess.run(["openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-out", tmp_path / "rsa"], check=True)
    key = base64.b64encode(b"k" * 32).decode()
    entries = [
        {**SSH, "value": (tmp_path / "ssh").read_text()},
        {**RSA, "value": (tmp_path / "rsa").read_text()},
        {**KEY, "value": key},
    ]
    run(SSH, RSA, KEY)
    predicted = run(*entries, check=True)
    taken = run(*entries)
    assert taken["changed"] and taken["diff"] == predicted["diff"]
    assert taken["diff"]["after"]["hosts"] == {"type": "ssh", "private_key": "(another value)"}
    assert "PRIVATE" not in json.dumps(taken["diff"]) and key not in json.dumps(taken["diff"])
    assert taken["credentials"]["hosts"]["public_key"] == (tmp_path / "ssh.pub").read_text().strip()
    assert taken["credentials"]["service-account"]["public_key"].startswith("-----BEGIN PUBLIC KEY-----")
    assert taken["credentials"]["encryption-at-rest"] == {"key": key}
    for again in (entries, [SSH, RSA, KEY]):
        result = run(*again)
        assert not result["changed"] and result["credentials"] == taken["credentials"]


def test_an_earlier_version_is_restored(run, tmp_path):
    created = run(RSA, {**PASSWORD, "value": "the first password"})["credentials"]
    for value in ("the second password", "the third password"):
        run({**PASSWORD, "value": value})
    predicted = run({**PASSWORD, "version": 1}, check=True)
    returned = run({**PASSWORD, "version": 1})
    assert returned["changed"] and returned["diff"] == predicted["diff"]
    assert returned["credentials"]["etcd-root"] == created["etcd-root"] == run(PASSWORD)["credentials"]["etcd-root"]
    assert not run({**PASSWORD, "version": 1})["changed"]
    assert not run({**RSA, "version": 1})["changed"]
    versions = json.loads((tmp_path / "store/credentials/etcd-root.json").read_text())["versions"]
    assert [version["secret"]["password"] for version in versions] == ["the first password", "the second password", "the third password", "the first password"]
    assert f"credential etcd-root: version: found 9, expected one of those in the store {tmp_path}/store: 1, 2, 3, 4" in run({**PASSWORD, "version": 9})["msg"]


def test_a_version_without_a_time_is_read(run, tmp_path):
    created = run(PASSWORD)["credentials"]
    record = tmp_path / "store/credentials/etcd-root.json"
    content = json.loads(record.read_text())
    del content["versions"][0]["created_at"]
    record.write_text(json.dumps(content))
    again = run(PASSWORD)
    assert (again["changed"], again["credentials"]) == (False, created)
    assert run({**PASSWORD, "value": "another password"})["changed"]


def test_director_facts_list_the_cas_of_the_store(run, tmp_path):
    """The passphrase is not needed, because preflight may not have it."""
    assert run.module(director_facts)["ansible_facts"]["cfcr_director"]["authorities"] == {}
    run.authority(passphrase="the right one")
    for passphrase in ("the right one", None):
        facts = run.module(director_facts, passphrase=passphrase)["ansible_facts"]["cfcr_director"]
        assert facts["cryptography"] and facts["store"] == f"{tmp_path}/store" and len(facts["authorities"]["kubernetes"]) == 1

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store in Vault: hvac against a stand-in for the API, over TLS."""

from __future__ import annotations

import concurrent.futures
import json
import os
import pathlib
import socket
import subprocess
import sys

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.options import STORE, find_store
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.store import Conflict, Store, keep

ROOT = pathlib.Path(__file__).parents[2]
NAME = "credentials/a"


def opened(options: dict) -> Store:
    """Return the store that a module opens with these options."""
    validated = ArgumentSpecValidator(STORE).validate({"store": options})
    assert not validated.error_messages
    return find_store(validated.validated_parameters["store"])


@pytest.fixture(params=[None, "a passphrase"])
def store(request, vault):
    return opened({**vault.store(), "passphrase": request.param})


def test_put_and_get(store, vault):
    assert store.get(NAME) is None and store.names("credentials") == [] and store.history(NAME) == []
    store.put(NAME, {"type": "key"}, {"key": "s3cret"}, version=0)
    again = opened({**vault.store(), "passphrase": store._passphrase})
    for record in (store.get(NAME), again.get(NAME), *again.history(NAME)):
        assert (record.version, record.public, record.secret()) == (1, {"type": "key"}, {"key": "s3cret"})
        assert record.created_at
    assert store.names("credentials") == ["a"]
    kept = json.dumps([secret.data for secret in vault.state.namespaces[""].values()])
    assert ("s3cret" in kept) == (store._passphrase is None)


def test_versions(store, vault):
    store.put(NAME, {}, {"key": "1"}, version=0)
    with pytest.raises(Conflict):
        store.put(NAME, {}, {"key": "2"}, version=0)
    assert store.get(NAME).secret() == {"key": "1"}
    for version in range(1, 12):
        store.put(NAME, {}, {"key": str(version + 1)}, version=version)
    assert (store.get(NAME).version, store.get(NAME).secret()) == (12, {"key": "12"})
    assert [record.version for record in store.history(NAME)] == list(range(3, 13))
    few = opened({**vault.store(), "versions": 2, "passphrase": store._passphrase})
    few.put(NAME, {}, {"key": "13"}, version=12)
    assert [record.secret()["key"] for record in few.history(NAME)] == ["12", "13"]
    assert vault.state.namespaces[""]["cfcr/test/credentials/a"].cas_required


def test_passphrases(vault):
    opened({**vault.store(), "passphrase": "the right one"}).put(NAME, {}, {"key": "x"}, version=0)
    where = f"{vault.options['address']} secret/cfcr/test"
    with pytest.raises(HostError, match=f"{where}/credentials/a: not encrypted with this passphrase"):
        opened({**vault.store(), "passphrase": "wrong"}).get(NAME)
    with pytest.raises(HostError, match=f"{where}/store: found an encrypted value and no passphrase"):
        opened(vault.store()).put("credentials/b", {}, {}, version=0)
    opened(vault.store(path="cfcr/plain")).put(NAME, {}, {"key": "x"}, version=0)
    with pytest.raises(HostError, match="secret/cfcr/plain/store: found a store without encryption"):
        opened({**vault.store(path="cfcr/plain"), "passphrase": "late"})


def test_concurrent_runs_share_the_values_of_the_first_writer(vault):
    def make(_run):
        store = opened({**vault.store(), "passphrase": "a passphrase"})
        return [keep(store, f"credentials/{index}", lambda: ({}, {"key": os.urandom(8).hex()})).secret()["key"] for index in range(5)]

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        results = list(pool.map(make, range(6)))
    assert len({tuple(result) for result in results}) == 1
    assert {secret.current for secret in vault.state.namespaces[""].values()} == {1}


def test_a_task_reads_each_record_once(vault):
    opened(vault.store()).put(NAME, {}, {"key": "x"}, version=0)
    vault.state.requests.clear()
    store = opened(vault.store())
    for _time in range(3):
        assert store.get(NAME).secret() == {"key": "x"}
    assert vault.state.requests == [("GET", "secret/data/cfcr/test/credentials/a")]


def test_logins_and_namespaces(vault, vault_pki, monkeypatch):
    opened(vault.store()).put(NAME, {}, {"key": "x"}, version=0)
    vault.state.roles["role"] = "its secret"
    environment = {"VAULT_ADDR": vault.options["address"], "VAULT_CACERT": str(vault_pki / "ca.crt")}
    for more in ({"VAULT_TOKEN": "hvs.own"}, {"VAULT_ROLE_ID": "role", "VAULT_SECRET_ID": "its secret"}):
        with monkeypatch.context() as patch:
            for name, value in {**environment, **more}.items():
                patch.setenv(name, value)
            assert opened({"backend": "vault", "vault": {"path": "/cfcr/test/"}}).get(NAME).secret() == {"key": "x"}
    assert opened(vault.store(token=None, role_id="role", secret_id="its secret")).get(NAME)
    vault.state.namespaces["team"] = {}
    assert opened(vault.store(namespace="team")).get(NAME) is None
    assert {path for _method, path in vault.state.requests} >= {"auth/approle/login"}


def test_a_version_deleted_in_vault_is_not_replaced(vault):
    store = opened(vault.store())
    for version in (0, 1):
        store.put(NAME, {}, {"key": str(version)}, version=version)
    secret = vault.state.namespaces[""]["cfcr/test/credentials/a"]
    for marks in ({"deletion_time": "2026-11-21T00:00:00Z"}, {"deletion_time": "", "destroyed": True}):
        secret.mark([2], **marks)
        with pytest.raises(HostError, match="secret/cfcr/test/credentials/a: version 2 was deleted in Vault; undelete it"):
            keep(opened(vault.store()), NAME, lambda: ({}, {}))
        assert [record.version for record in store.history(NAME)] == [1]
    secret.mark([2], destroyed=False)
    assert opened(vault.store()).get(NAME).secret() == {"key": "1"}


def only_reads(capability, _path):
    return capability in ("read", "list")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"token": "hvs.wrong"}, "{store}/credentials/a: Vault forbids to read it: permission denied. Is the token valid"),
        ({"token": "reader"}, "{store}/store: Vault forbids to write it: permission denied"),
        (
            {"token": None, "role_id": "role", "secret_id": "hvs.wrong"},
            "{store}: Vault refuses the login with role_id and secret_id at auth/approle: invalid role",
        ),
        ({"mount": "nowhere"}, "Vault has no secrets engine at the mount nowhere"),
        ({"mount": "kv"}, "the secrets engine at the mount kv is not KV version 2"),
        ({"namespace": "nobody"}, "Vault has no secrets engine at the mount secret"),
        ({"ca_path": "{pki}/other.crt"}, "{store}: Vault cannot be reached: .*certificate verify failed"),
        ({"ca_path": "{pki}/none.crt"}, "{store}: Vault cannot be reached: .*none.crt"),
        ({"address": "https://127.0.0.1:{port}"}, "Vault cannot be reached: .*Connection refused"),
        ({"address": "http://vault.example.com"}, "store.vault.address: found http://vault.example.com, expected an https:// URL"),
        ({"address": None}, "store.vault.address: found none"),
        ({"path": "/"}, "store.vault.path: found none"),
        ({"token": None}, "found no login, expected token .VAULT_TOKEN., or role_id and secret_id .VAULT_ROLE_ID, VAULT_SECRET_ID."),
    ],
)
def test_mistakes(vault, vault_pki, changes, message):
    vault.state.tokens["reader"] = only_reads
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        values = {"pki": vault_pki, "port": unused.getsockname()[1]}
        changed = {name: value and value.format(**values) for name, value in changes.items()}
        where = f"{vault.options['address']} secret/cfcr/test"
        with pytest.raises(HostError, match=message.format(store=where)) as caught:
            keep(opened(vault.store(**changed)), NAME, lambda: ({}, {"key": "x"}))
    assert "hvs.wrong" not in str(caught.value)
    assert vault.state.namespaces == {"": {}}


def test_vault_is_sealed_while_in_use(vault):
    store = opened(vault.store())
    store.put(NAME, {}, {"key": "x"}, version=0)
    vault.state.sealed = True
    for attempt in (lambda: store.names("credentials"), lambda: store.get(NAME), lambda: store.put(NAME, {}, {"key": "y"}, version=1)):
        with pytest.raises(HostError, match="secret/cfcr/test: Vault is sealed or not ready: Vault is sealed"):
            attempt()
    vault.state.sealed = False
    assert store.get(NAME).secret() == {"key": "x"}


@pytest.mark.parametrize("login", [{}, {"token": None, "role_id": "role", "secret_id": "its secret"}], ids=["token", "approle"])
def test_a_redirect_is_not_followed_with_the_token(vault, login):
    vault.state.active = vault.options["address"]
    with pytest.raises(HostError, match="Vault redirects to https://.*, expected an address that answers: of the active node"):
        opened(vault.store(**login)).get(NAME)
    assert len(vault.state.requests) == 1


def test_a_partly_refused_write_leaves_the_record_unchanged(vault):
    """The token may write the metadata of the secret, but not its data."""
    store = opened(vault.store())
    store.put(NAME, {}, {"key": "x"}, version=0)
    vault.state.tokens["half"] = lambda capability, path: capability in ("read", "list") or path.startswith("secret/metadata/")
    with pytest.raises(HostError, match="Vault forbids to write it"):
        opened(vault.store(token="half")).put(NAME, {}, {"key": "y"}, version=1)
    assert opened(vault.store()).get(NAME).secret() == {"key": "x"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owners of keys")
def test_a_playbook_without_a_director_host(vault, vault_pki, tmp_path):
    """Run all signing tasks as AWX does: the address and the token come from the environment and appear in no output."""
    certificates = [
        {"path": f"{tmp_path}/{name}", "authority": "etcd", "authority_path": f"{tmp_path}/ca.crt", "common_name": name, "usages": ["client_auth"]}
        for name in ("one", "two")
    ]
    tasks = [
        {"cfcr.kubernetes.certificate_authority": {"store": "{{ cluster_store }}", "authorities": [{"name": "etcd"}, {"name": "kubernetes"}]}},
        {"cfcr.kubernetes.credential": {"store": "{{ cluster_store }}", "credentials": [{"name": "etcd-root", "type": "password"}]}, "no_log": True},
        {"cfcr.kubernetes.certificate": {"certificates": certificates}},
        {"cfcr.kubernetes.credential_info": {"store": "{{ cluster_store }}"}},
    ]
    variables = {
        "cluster_director": "localhost",
        "cluster_store": {"backend": "vault", "vault": {"path": "cfcr/test"}, "passphrase": "secret of the store"},
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
    }
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "vars": variables, "tasks": tasks}]))
    environment = {
        **os.environ,
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "VAULT_ADDR": vault.options["address"],
        "VAULT_TOKEN": vault.options["token"],
        "VAULT_CACERT": str(vault_pki / "ca.crt"),
    }

    def play():
        program = pathlib.Path(sys.executable).with_name("ansible-playbook")
        command = [program, "-i", "localhost,", "--diff", "-vvv", tmp_path / "play.yml"]
        output = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        for secret in ("secret of the store", vault.options["token"], "PRIVATE"):
            assert secret not in output.stdout + output.stderr
        return [task["hosts"]["localhost"] for task in json.loads(output.stdout[output.stdout.index("\n{") :])["plays"][0]["tasks"]]

    assert [result["changed"] for result in play()] == [True, True, True, False]
    openssl = ["openssl", "verify", "-CAfile", tmp_path / "ca.crt", tmp_path / "one.crt", tmp_path / "two.crt"]
    assert subprocess.run(openssl, capture_output=True, text=True, check=True).stdout.count(": OK") == 2
    vault.state.requests.clear()
    again = play()
    assert [result["changed"] for result in again] == [False] * 4
    assert [entry["name"] for entry in again[3]["credentials"]] == ["etcd", "kubernetes", "etcd-root"]
    by_certificate = [path.removeprefix("secret/") for _method, path in vault.state.requests[5:9]]
    data = [f"data/cfcr/test/{name}" for name in ("authorities/etcd", "authorities/kubernetes", "store")]
    assert sorted(by_certificate) == [*data, "metadata/cfcr/test/authorities"]

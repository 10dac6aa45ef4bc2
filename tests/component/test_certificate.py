# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules of the credential store and action certificate, run by ansible-playbook on this machine, verified with openssl."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
AUTHORITY = {"cfcr.kubernetes.certificate_authority": {"store": "{{ store }}", "authorities": [{"name": "etcd"}, {"name": "kubernetes"}]}}
SERVER = {
    "path": "{{ pki }}/server",
    "authority": "etcd",
    "authority_path": "{{ pki }}/ca.crt",
    "alternative_names": ["10.0.0.1", "a.b"],
    "usages": ["server_auth", "client_auth"],
    "owner": "nobody",
}
CLIENT = {
    "path": "{{ pki }}/client",
    "authority": "etcd",
    "authority_path": "{{ pki }}/ca.crt",
    "common_name": "me",
    "usages": ["client_auth"],
}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owners of keys")


class Machine:
    """A store and a host, both directories of this machine."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory, self.pki, self.store = directory, directory / "pki", directory / "store"

    def play(self, *tasks: dict, check: bool = False, hosts: str = "localhost,", fails: bool = False) -> list[dict]:
        """Run a playbook of these tasks and return their results."""
        process = self.start(*tasks, check=check, hosts=hosts)
        output, errors = process.communicate()
        results = [next(iter(task["hosts"].values())) for task in json.loads(output)["plays"][0]["tasks"]]
        assert (process.returncode != 0) == fails, (output, errors)
        return results

    def start(self, *tasks: dict, check: bool = False, hosts: str = "localhost,") -> subprocess.Popen:
        """Start a playbook of these tasks."""
        variables = {
            "store": {"directory": str(self.store)},
            "pki": str(self.pki),
            "cluster_director": "localhost",
            "cluster_store": "{{ store }}",
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
        }
        path = self.directory / f"play-{os.urandom(4).hex()}.yml"
        path.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "vars": variables, "tasks": list(tasks)}]))
        command = [
            str(pathlib.Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            hosts,
            "--diff",
            *(["--check"] if check else []),
            str(path),
        ]
        environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def authorities(self) -> dict:
        """Create the CAs."""
        return self.play(AUTHORITY)[0]

    def certificate(self, *entries: dict, check: bool = False, fails: bool = False, **options) -> dict:
        """Run action certificate."""
        return self.play({"cfcr.kubernetes.certificate": {"certificates": list(entries), **options}}, check=check, fails=fails)[0]

    def verify(self, name: str, *options: str) -> None:
        """Verify with openssl that a certificate is valid and belongs to its key."""
        openssl("verify", "-x509_strict", "-CAfile", str(self.pki / "ca.crt"), *options, str(self.pki / f"{name}.crt"))
        public = openssl("x509", "-in", str(self.pki / f"{name}.crt"), "-noout", "-pubkey")
        assert public == openssl("pkey", "-in", str(self.pki / f"{name}.key"), "-pubout")
        assert not (self.pki / f"{name}.key.new").exists()

    def files(self) -> dict[str, bytes]:
        """Return the files of the host's PKI."""
        return {path.name: path.read_bytes() for path in self.pki.glob("*")}


def openssl(*arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Return a machine whose state the other fixtures copy, because every playbook takes a second."""
    machine = Machine(tmp_path_factory.mktemp("prepared"))
    machine.play(AUTHORITY, {"cfcr.kubernetes.certificate": {"certificates": [SERVER, CLIENT]}})
    return machine


@pytest.fixture
def machine(prepared, tmp_path):
    """Return a machine with CAs in its store."""
    subprocess.run(["cp", "-a", str(prepared.store), str(tmp_path)], check=True)
    return Machine(tmp_path)


@pytest.fixture
def done(prepared, machine):
    """Return a machine with CAs in its store and certificates on its host."""
    subprocess.run(["cp", "-a", str(prepared.pki), str(machine.directory)], check=True)
    return machine


def apply_and_repeat(machine: Machine, *entries: dict, reasons: list[list[str]], **options) -> dict:
    """Run a task three times and verify that check mode predicts the changes, the first run makes them, and the second makes none."""
    task = {"cfcr.kubernetes.certificate": {"certificates": list(entries), **options}}
    predicted, result, last = machine.play({**task, "check_mode": True}, task, task)
    assert [entry["reasons"] for entry in result["certificates"]] == [entry["reasons"] for entry in predicted["certificates"]] == reasons
    assert result["changed"] and predicted["changed"]
    assert set(result["diff"]["after"]) == set(predicted["diff"]["after"])
    assert (last["changed"], last["diff"]) == (False, {"before": {}, "after": {}})
    machine.verify("server", "-purpose", "sslserver", "-verify_ip", "10.0.0.1")
    return result


def test_check_apply_apply_check(machine):
    predicted = machine.certificate(SERVER, CLIENT, check=True)
    assert predicted["changed"]
    assert not machine.pki.exists()
    result = machine.certificate(SERVER, CLIENT)
    assert (
        set(result["diff"]["after"])
        == set(predicted["diff"]["after"])
        == {str(machine.pki / name) for name in ("server", "client", "ca.crt")}
    )
    machine.verify("server", "-purpose", "sslserver", "-verify_ip", "10.0.0.1")
    machine.verify("server", "-purpose", "sslserver", "-verify_hostname", "a.b")
    machine.verify("client", "-purpose", "sslclient")
    modes = {path.name: (stat.S_IMODE(path.stat().st_mode), path.owner()) for path in machine.pki.glob("*")}
    assert modes == {
        "server.key": (0o600, "nobody"),
        "client.key": (0o600, "root"),
        "server.crt": (0o644, "root"),
        "client.crt": (0o644, "root"),
        "ca.crt": (0o644, "root"),
    }
    assert "PRIVATE" not in json.dumps(result)
    before = machine.files()
    for check in (False, True):
        assert not machine.certificate(SERVER, CLIENT, check=check)["changed"]
    assert machine.files() == before


def test_check_mode_works_without_a_store(tmp_path):
    machine = Machine(tmp_path)
    results = machine.play(AUTHORITY, {"cfcr.kubernetes.certificate": {"certificates": [SERVER]}}, check=True)
    assert [result["changed"] for result in results] == [True, True]
    assert not machine.store.exists() and not machine.pki.exists()


def test_changed_names(done):
    before = done.files()
    assert done.certificate({**SERVER, "alternative_names": ["10.0.0.1", "c.d"]}, key_type="rsa-2048", check=True)["changed"]
    assert done.files() == before
    apply_and_repeat(done, {**SERVER, "alternative_names": ["10.0.0.1", "c.d"]}, CLIENT, reasons=[["other alternative_names"], []])
    done.verify("server", "-verify_hostname", "c.d")
    apply_and_repeat(done, {**SERVER, "organizations": ["o"]}, CLIENT, reasons=[["other organizations", "other alternative_names"], []])
    assert done.files()["server.key"] == before["server.key"]


def test_renewal(done):
    apply_and_repeat(
        done, SERVER, CLIENT, days=500, renew_before_days=400, reasons=[[f"expires at {end(done, name)}"] for name in ("server", "client")]
    )


def end(machine: Machine, name: str) -> str:
    text = openssl("x509", "-in", str(machine.pki / f"{name}.crt"), "-noout", "-enddate", "-dateopt", "iso_8601")
    return text.partition("=")[2][:16]


def test_an_expired_certificate_is_renewed(done):
    # openssl makes the expired certificate, with the key of the CA.
    record = json.loads((done.store / "authorities/etcd.json").read_text())["versions"][-1]
    (done.directory / "ca.key").write_text(record["secret"]["private_keys"][0])
    (done.directory / "ca.crt").write_text(record["public"]["certificates"][0])
    (done.directory / "names.cnf").write_text("subjectAltName=critical,IP:10.0.0.1,DNS:a.b\nextendedKeyUsage=serverAuth,clientAuth\n")
    request = openssl("req", "-new", "-key", str(done.pki / "server.key"), "-subj", "/")
    (done.directory / "server.csr").write_text(request)
    signed = openssl(
        *(
            "x509",
            "-req",
            "-in",
            str(done.directory / "server.csr"),
            "-CA",
            str(done.directory / "ca.crt"),
            "-CAkey",
            str(done.directory / "ca.key"),
        ),
        *("-days", "-1", "-extfile", str(done.directory / "names.cnf"), "-set_serial", "7"),
    )
    (done.pki / "server.crt").write_text(signed)
    apply_and_repeat(done, SERVER, CLIENT, reasons=[[f"expires at {end(done, 'server')}"], []])


def test_a_certificate_that_expires_with_its_ca_is_not_renewed_in_every_run(machine):
    short = {"cfcr.kubernetes.certificate_authority": {"store": "{{ store }}", "authorities": [{"name": "short", "days": 20}]}}
    task = {"cfcr.kubernetes.certificate": {"certificates": [{**SERVER, "authority": "short"}]}}
    results = machine.play(short, task, task)
    assert [result["changed"] for result in results] == [True, True, False]
    assert "CA short expires at" in results[2]["warnings"][0]
    machine.verify("server")


def test_new_cas_after_a_lost_store_do_not_replace_the_files_of_hosts(done):
    """If the store is empty, a run creates CAs. It must not reissue certificates of the lost ones, because hosts would leave their cluster."""
    record = done.store / "authorities/etcd.json"
    kept, before = record.read_bytes(), done.files()
    record.unlink()
    done.authorities()
    for check in (True, False):
        result = done.certificate(SERVER, CLIENT, check=check, fails=True)
        for part in (f"{done.pki}/ca.crt", f"{done.pki}/server.crt", f"not in the store {done.store}", "cluster_store_*"):
            assert part in result["msg"]
    assert done.files() == before
    record.write_bytes(kept)
    assert not done.certificate(SERVER, CLIENT)["changed"]


def test_a_host_whose_old_files_are_deleted_gets_certificates_of_new_cas(done):
    (done.store / "authorities/etcd.json").unlink()
    done.authorities()
    for name in ("ca.crt", "server.crt", "client.crt"):
        (done.pki / name).unlink()
    apply_and_repeat(done, SERVER, CLIENT, reasons=[["missing or damaged"]] * 2)


DAMAGES = [
    ("key", None, "another key"),
    ("key", b"", "another key"),
    ("key", b"half", "another key"),
    ("crt", None, "missing or damaged"),
    ("crt", b"", "missing or damaged"),
    ("crt", b"half", "missing or damaged"),
    ("crt", b"\xff\xfe", "missing or damaged"),
    ("crt", b"client", "other"),
    ("key", b"client", "another key"),
]


def test_damage_is_repaired(done):
    files = done.files()
    for number, (suffix, content, _reason) in enumerate(DAMAGES):
        for name in ("key", "crt"):
            (done.pki / f"server{number}.{name}").write_bytes(files[f"server.{name}"])
        path = done.pki / f"server{number}.{suffix}"
        if content is None:
            path.unlink()
        else:
            whole = files[f"server.{suffix}"]
            path.write_bytes({b"half": whole[: len(whole) // 2], b"client": files[f"client.{suffix}"]}.get(content, content))
    servers = [{**SERVER, "path": f"{{{{ pki }}}}/server{number}"} for number in range(len(DAMAGES))]
    task = {"cfcr.kubernetes.certificate": {"certificates": [*servers, CLIENT]}}
    result, last = done.play(task, task)
    for number, (_suffix, _content, reason) in enumerate(DAMAGES):
        assert reason in " ".join(result["certificates"][number]["reasons"])
        done.verify(f"server{number}")
    assert result["certificates"][-1]["reasons"] == []
    assert not last["changed"]


def test_a_damaged_or_missing_bundle_is_written_again(done):
    for damage in (lambda path: path.write_bytes(b"\xff"), lambda path: path.unlink()):
        damage(done.pki / "ca.crt")
        apply_and_repeat(done, SERVER, CLIENT, reasons=[[], []])


def test_a_key_of_another_type(done):
    apply_and_repeat(done, SERVER, CLIENT, key_type="rsa-2048", reasons=[["another key"]] * 2)
    assert "Public-Key: (2048 bit)" in openssl("x509", "-in", str(done.pki / "server.crt"), "-noout", "-text")


def test_owner_and_mode(done):
    (done.pki / "server.key").chmod(0o644)
    os.chown(done.pki / "server.key", 0, 0)
    before = done.files()
    result = apply_and_repeat(done, SERVER, CLIENT, reasons=[[], []])
    path = str(done.pki / "server.key")
    assert result["diff"]["before"][path] == {"owner": "root", "group": "root", "mode": "0644"}
    assert result["diff"]["after"][path] == {"owner": "nobody", "group": "nogroup", "mode": "0600"}
    assert done.files() == before


def test_interrupted_after_the_key_was_made(done):
    """The old pair stays until the new certificate is written, and a pending key is used."""
    before = done.files()
    (done.pki / "server.key.new").write_bytes(before["client.key"])
    assert not done.certificate(SERVER, CLIENT)["changed"]
    (done.pki / "server.key").unlink()
    (done.pki / "server.key.new").write_bytes(before["client.key"])
    done.certificate(SERVER, CLIENT)
    done.verify("server")
    assert done.files()["server.key"] == before["client.key"]


MISTAKES = [
    ([SERVER, SERVER], {}, "found a key and a key, expected one use"),
    ([SERVER, {**CLIENT, "authority": "kubernetes"}], {}, "found the bundle of CA etcd and the bundle of CA kubernetes"),
    ([{**SERVER, "authority_path": "{{ pki }}/server.crt"}], {}, "found a certificate and the bundle"),
    ([SERVER, {**CLIENT, "path": "client"}], {}, "path: found 'client', expected an absolute, normalized path"),
    ([SERVER, {**CLIENT, "path": "/etc/../client"}], {}, "expected an absolute, normalized path"),
    ([SERVER, {**CLIENT, "alternative_names": ["a b"]}], {}, "alternative_names: found 'a b', expected an IP address or a DNS name"),
    ([SERVER, {**CLIENT, "common_name": ""}], {}, "neither common_name nor alternative_names"),
    ([SERVER, {**CLIENT, "usages": ["email"]}], {}, "usages must be one or more of: client_auth, server_auth"),
    ([SERVER, {**CLIENT, "usages": []}], {}, "usages: found none"),
    ([SERVER, {**CLIENT, "owner": "a b"}], {}, "found owner 'a b', expected the name of a system account"),
    ([SERVER, {**CLIENT, "authority": "etc", "authority_path": "{{ pki }}/b.crt"}], {}, "has no CA etc; found etcd"),
    ([SERVER], {"days": 30}, "renew_before_days: found 60, expected 0 or more and less than days (30)"),
    ([SERVER], {"key_type": "rsa-1024"}, "key_type must be one of"),
]


def test_mistakes_are_found_before_any_change(machine):
    tasks = [
        {"cfcr.kubernetes.certificate": {"certificates": entries, **options}, "ignore_errors": True}
        for entries, options, _message in MISTAKES
    ]
    for result, (_entries, _options, message) in zip(machine.play(*tasks), MISTAKES):
        assert result["failed"] and message in result["msg"]
    assert not machine.pki.exists()


def test_all_mistakes_are_reported_together(machine):
    result = machine.certificate({**SERVER, "path": "server"}, {**CLIENT, "common_name": ""}, fails=True)
    assert "'server'" in result["msg"] and "common_name" in result["msg"]


def test_two_runs_at_once(machine):
    shutil.rmtree(machine.store)
    tasks = (AUTHORITY, {"cfcr.kubernetes.certificate": {"certificates": [SERVER, CLIENT]}})
    runs = [machine.start(*tasks) for _run in range(3)]
    outputs = [run.communicate() for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], outputs
    created = {json.dumps(json.loads(output)["plays"][0]["tasks"][0]["hosts"]["localhost"]["authorities"]) for output, _errors in outputs}
    assert len(created) == 1
    machine.verify("server")
    machine.verify("client")


def test_a_store_with_a_passphrase(machine):
    shutil.rmtree(machine.store)
    stores = {passphrase: {"directory": str(machine.store), "passphrase": passphrase} for passphrase in ("wrong", "", "the right one")}
    authority = {"cfcr.kubernetes.certificate_authority": {**AUTHORITY["cfcr.kubernetes.certificate_authority"], "store": stores["the right one"]}}
    tasks = [
        {"cfcr.kubernetes.certificate": {"certificates": [SERVER], "store": stores[passphrase]}, "ignore_errors": passphrase != "the right one"}
        for passphrase in ("wrong", "", "the right one", "the right one")
    ]
    _made, wrong, without, right, last = machine.play(authority, *tasks)
    assert "PRIVATE" not in (machine.store / "authorities/etcd.json").read_text()
    for result in (wrong, without):
        assert f"{machine.store}/authorities/etcd.json: " in result["msg"] and "passphrase" in result["msg"]
    # The two failed tasks wrote nothing, so the certificate is still missing.
    assert (right["changed"], right["certificates"][0]["reasons"], last["changed"]) == (True, ["missing or damaged"], False)
    machine.verify("server")


def test_the_message_names_the_damaged_record(done):
    path = done.store / "authorities/etcd.json"
    path.write_bytes(path.read_bytes()[:100])
    result = done.certificate(SERVER, fails=True)
    assert f"{path}: damaged, restore it from a backup" in result["msg"]
    assert path.stat().st_size == 100

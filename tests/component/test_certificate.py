# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules of the credential store and action certificate, run by ansible-playbook on this machine, judged by openssl."""

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

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="keys are given to their owners, which only root can do")


class Machine:
    """A store and a host, both directories of this machine."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory, self.pki, self.store = directory, directory / "pki", directory / "store"

    def play(self, *tasks: dict, check: bool = False, hosts: str = "localhost,", fails: bool = False) -> list[dict]:
        """Return the tasks' results."""
        process = self.start(*tasks, check=check, hosts=hosts)
        output, errors = process.communicate()
        results = [next(iter(task["hosts"].values())) for task in json.loads(output)["plays"][0]["tasks"]]
        assert (process.returncode != 0) == fails, (output, errors)
        return results

    def start(self, *tasks: dict, check: bool = False, hosts: str = "localhost,") -> subprocess.Popen:
        """Start a playbook."""
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
        """Make the authorities."""
        return self.play(AUTHORITY)[0]

    def certificate(self, *entries: dict, check: bool = False, fails: bool = False, **options) -> dict:
        """Run action certificate."""
        return self.play({"cfcr.kubernetes.certificate": {"certificates": list(entries), **options}}, check=check, fails=fails)[0]

    def verify(self, name: str, *options: str) -> None:
        """Have openssl judge a certificate and whether the key belongs to it."""
        openssl("verify", "-x509_strict", "-CAfile", str(self.pki / "ca.crt"), *options, str(self.pki / f"{name}.crt"))
        public = openssl("x509", "-in", str(self.pki / f"{name}.crt"), "-noout", "-pubkey")
        assert public == openssl("pkey", "-in", str(self.pki / f"{name}.key"), "-pubout")
        assert not (self.pki / f"{name}.key.new").exists()

    def files(self) -> dict[str, bytes]:
        """Return what is on the host."""
        return {path.name: path.read_bytes() for path in self.pki.glob("*")}


def openssl(*arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A machine whose state the others copy, because every playbook takes a second."""
    machine = Machine(tmp_path_factory.mktemp("made"))
    machine.play(AUTHORITY, {"cfcr.kubernetes.certificate": {"certificates": [SERVER, CLIENT]}})
    return machine


@pytest.fixture
def machine(made, tmp_path):
    """A machine that has authorities in its store."""
    subprocess.run(["cp", "-a", str(made.store), str(tmp_path)], check=True)
    return Machine(tmp_path)


@pytest.fixture
def done(made, machine):
    """A machine that has its certificates, too."""
    subprocess.run(["cp", "-a", str(made.pki), str(machine.directory)], check=True)
    return machine


def again(machine: Machine, *entries: dict, reasons: list[list[str]], **options) -> dict:
    """Expect check mode to tell the truth, a run to change, and a second one to change nothing."""
    task = {"cfcr.kubernetes.certificate": {"certificates": list(entries), **options}}
    foretold, result, last = machine.play({**task, "check_mode": True}, task, task)
    assert [entry["reasons"] for entry in result["certificates"]] == [entry["reasons"] for entry in foretold["certificates"]] == reasons
    assert result["changed"] and foretold["changed"]
    assert set(result["diff"]["after"]) == set(foretold["diff"]["after"])
    assert (last["changed"], last["diff"]) == (False, {"before": {}, "after": {}})
    machine.verify("server", "-purpose", "sslserver", "-verify_ip", "10.0.0.1")
    return result


def test_check_apply_apply_check(machine):
    foretold = machine.certificate(SERVER, CLIENT, check=True)
    assert foretold["changed"]
    assert not machine.pki.exists()
    result = machine.certificate(SERVER, CLIENT)
    assert (
        set(result["diff"]["after"])
        == set(foretold["diff"]["after"])
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


def test_before_anything_exists_check_mode_foretells_all(tmp_path):
    machine = Machine(tmp_path)
    results = machine.play(AUTHORITY, {"cfcr.kubernetes.certificate": {"certificates": [SERVER]}}, check=True)
    assert [result["changed"] for result in results] == [True, True]
    assert not machine.store.exists() and not machine.pki.exists()


def test_changed_names(done):
    before = done.files()
    assert done.certificate({**SERVER, "alternative_names": ["10.0.0.1", "c.d"]}, key_type="rsa-2048", check=True)["changed"]
    assert done.files() == before
    again(done, {**SERVER, "alternative_names": ["10.0.0.1", "c.d"]}, CLIENT, reasons=[["other alternative_names"], []])
    done.verify("server", "-verify_hostname", "c.d")
    again(done, {**SERVER, "organizations": ["o"]}, CLIENT, reasons=[["other organizations", "other alternative_names"], []])
    assert done.files()["server.key"] == before["server.key"]


def test_renewal(done):
    again(
        done, SERVER, CLIENT, days=500, renew_before_days=400, reasons=[[f"expires at {end(done, name)}"] for name in ("server", "client")]
    )


def end(machine: Machine, name: str) -> str:
    text = openssl("x509", "-in", str(machine.pki / f"{name}.crt"), "-noout", "-enddate", "-dateopt", "iso_8601")
    return text.partition("=")[2][:16]


def test_an_ended_certificate_is_renewed(done):
    # What a certificate that ended looks like is made by openssl, with the authority's own key.
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
    again(done, SERVER, CLIENT, reasons=[[f"expires at {end(done, 'server')}"], []])


def test_what_ends_with_its_authority_is_not_renewed_in_every_run(machine):
    short = {"cfcr.kubernetes.certificate_authority": {"store": "{{ store }}", "authorities": [{"name": "short", "days": 20}]}}
    task = {"cfcr.kubernetes.certificate": {"certificates": [{**SERVER, "authority": "short"}]}}
    results = machine.play(short, task, task)
    assert [result["changed"] for result in results] == [True, True, False]
    assert "CA short expires at" in results[2]["warnings"][0]
    machine.verify("server")


def test_a_store_that_was_lost_takes_no_host_out_of_its_cluster(done):
    """A run makes new authorities where there are none; it must not replace what the host was given by those that are lost."""
    record = done.store / "authorities/etcd.json"
    kept, before = record.read_bytes(), done.files()
    record.unlink()
    done.authorities()
    for check in (True, False):
        result = done.certificate(SERVER, CLIENT, check=check, fails=True)
        for told in (f"{done.pki}/ca.crt", f"{done.pki}/server.crt", f"not in the store {done.store}", "cluster_store_*"):
            assert told in result["msg"]
    assert done.files() == before
    record.write_bytes(kept)
    assert not done.certificate(SERVER, CLIENT)["changed"]


def test_a_host_of_a_cluster_that_is_gone_starts_over_without_its_files(done):
    (done.store / "authorities/etcd.json").unlink()
    done.authorities()
    for name in ("ca.crt", "server.crt", "client.crt"):
        (done.pki / name).unlink()
    again(done, SERVER, CLIENT, reasons=[["missing or damaged"]] * 2)


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


def test_a_bundle_that_is_damaged_or_lost_is_written_again(done):
    for damage in (lambda path: path.write_bytes(b"\xff"), lambda path: path.unlink()):
        damage(done.pki / "ca.crt")
        again(done, SERVER, CLIENT, reasons=[[], []])


def test_a_key_of_another_type(done):
    again(done, SERVER, CLIENT, key_type="rsa-2048", reasons=[["another key"]] * 2)
    assert "Public-Key: (2048 bit)" in openssl("x509", "-in", str(done.pki / "server.crt"), "-noout", "-text")


def test_owner_and_mode(done):
    (done.pki / "server.key").chmod(0o644)
    os.chown(done.pki / "server.key", 0, 0)
    before = done.files()
    result = again(done, SERVER, CLIENT, reasons=[[], []])
    path = str(done.pki / "server.key")
    assert result["diff"]["before"][path] == {"owner": "root", "group": "root", "mode": "0644"}
    assert result["diff"]["after"][path] == {"owner": "nobody", "group": "nogroup", "mode": "0600"}
    assert done.files() == before


def test_interrupted_after_the_key_was_made(done):
    """The old pair stays until the new certificate is there, and a key that waits is used."""
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


def test_mistakes_are_found_before_anything_is_touched(machine):
    tasks = [
        {"cfcr.kubernetes.certificate": {"certificates": entries, **options}, "ignore_errors": True}
        for entries, options, _message in MISTAKES
    ]
    for result, (_entries, _options, message) in zip(machine.play(*tasks), MISTAKES):
        assert result["failed"] and message in result["msg"]
    assert not machine.pki.exists()


def test_all_mistakes_are_named_at_once(machine):
    result = machine.certificate({**SERVER, "path": "server"}, {**CLIENT, "common_name": ""}, fails=True)
    assert "'server'" in result["msg"] and "common_name" in result["msg"]


def test_two_runs_at_once(machine):
    shutil.rmtree(machine.store)
    tasks = (AUTHORITY, {"cfcr.kubernetes.certificate": {"certificates": [SERVER, CLIENT]}})
    runs = [machine.start(*tasks) for _run in range(3)]
    outputs = [run.communicate() for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], outputs
    made = {json.dumps(json.loads(output)["plays"][0]["tasks"][0]["hosts"]["localhost"]["authorities"]) for output, _errors in outputs}
    assert len(made) == 1
    machine.verify("server")
    machine.verify("client")


def test_a_store_with_a_passphrase(machine):
    shutil.rmtree(machine.store)
    stores = {passphrase: {"directory": str(machine.store), "passphrase": passphrase} for passphrase in ("wrong", "", "right")}
    authority = {"cfcr.kubernetes.certificate_authority": {**AUTHORITY["cfcr.kubernetes.certificate_authority"], "store": stores["right"]}}
    tasks = [
        {"cfcr.kubernetes.certificate": {"certificates": [SERVER], "store": stores[passphrase]}, "ignore_errors": passphrase != "right"}
        for passphrase in ("wrong", "", "right", "right")
    ]
    _made, wrong, without, right, last = machine.play(authority, *tasks)
    assert "PRIVATE" not in (machine.store / "authorities/etcd.json").read_text()
    for result in (wrong, without):
        assert f"{machine.store}/authorities/etcd.json: " in result["msg"] and "passphrase" in result["msg"]
    # The two that failed wrote nothing: else there were less to do.
    assert (right["changed"], right["certificates"][0]["reasons"], last["changed"]) == (True, ["missing or damaged"], False)
    machine.verify("server")


def test_a_damaged_store_is_named(done):
    path = done.store / "authorities/etcd.json"
    path.write_bytes(path.read_bytes()[:100])
    result = done.certificate(SERVER, fails=True)
    assert f"{path}: damaged, restore it from a backup" in result["msg"]
    assert path.stat().st_size == 100

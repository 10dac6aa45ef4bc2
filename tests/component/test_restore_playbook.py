# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Role restore against a real etcd: the steps on the hosts of etcd run unchanged, on hosts that are processes of this machine."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import yaml
from _etcd import PASSWORD
from _sshd import sshd_running
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup import progress
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup.merge import merged
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.local import LocalBackend

ROOT = pathlib.Path(__file__).parents[2]
ID = "prod-20261129T221500Z.cfcr"
ROLE = "cfcr.kubernetes.restore"
VARIABLES = yaml.safe_load((ROOT / "roles/restore/vars/main.yml").read_text())
ETCD_ROOT = "credentials/etcd-root"
# The pods of one have another subnet than in the backup, and those of the other one none.
WORKERS = {"worker-0": {"cluster_host_address": "10.0.0.21", "restore_subnet": "10.200.7.0/24"}, "worker-1": {"cluster_host_address": "10.0.0.22"}}
LEASES = "/coreos.com/network/subnets/"


@pytest.fixture
def restore(etcd_cluster, tmp_path):
    """Return a function that runs entry points of the role, after a snapshot was taken and one more key was written."""
    host, taken = etcd_cluster.hosts[0], tmp_path / "taken"
    for number, address in ((1, "10.0.0.21"), (2, "10.0.0.22"), (9, "10.9.9.9")):
        etcd_cluster.etcdctl("put", f"{LEASES}10.200.{number}.0-24", json.dumps({"PublicIP": address}))
    own = {"id": ID, "url": host.client_url, "directory": str(taken), "programs": str(etcd_cluster.programs), "account": "root"}
    found = host.run("etcd_snapshot", **own)["snapshot"]
    (tmp_path / "work").mkdir(mode=0o700)
    shutil.copy(taken / ID / "snapshot", tmp_path / "work/etcd.snapshot")
    assert hashlib.sha256((tmp_path / "work/etcd.snapshot").read_bytes()).hexdigest() == found["sha256"]
    etcd_cluster.etcdctl("put", "/registry/pods/default/later", "value")
    backend = LocalBackend({"directory": str(tmp_path / "store"), "versions": 10})
    begun = progress.begin(backend, ID, found["revision"], lost=False)
    connection = {**VARIABLES["__restore_connection"], "endpoints": [its.client_url for its in etcd_cluster.hosts]}
    tls = {name: value for name, value in etcd_cluster.connection().items() if name.endswith("_path")}
    programs = {"programs": str(etcd_cluster.programs), "account": "root", "directory": "{{ directory }}/received"}
    play = {
        "hosts": "etcd",
        "gather_facts": False,
        "strategy": "linear",
        "environment": {"ETCD_TEST_HOST": "{{ directory }}", "PATH": f"{etcd_cluster.stand_ins}:{os.environ['PATH']}"},
        "module_defaults": {"cfcr.kubernetes.etcd_restore": {**tls, **programs}, "cfcr.kubernetes.flannel_lease": tls},
    }
    hosts = {
        its.name: {"cluster_host_address": f"127.0.0.{number}", "directory": str(its.directory), "data": str(its.data), "bootstrap": str(its.bootstrap_file)}
        for number, its in enumerate(etcd_cluster.hosts, 1)
    }
    variables = {
        "ansible_connection": "local", "ansible_python_interpreter": sys.executable, "cluster_name": "prod",
        "cluster_store_directory": str(tmp_path / "store"), "restore_directory": str(tmp_path / "work"),
        "restore_member": {
            "name": "{{ inventory_hostname }}", "members": etcd_cluster.members, "data_directory": "{{ data }}", "bootstrap_file": "{{ bootstrap }}",
            "initial_cluster_token": begun["token"],
        },
    }  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment |= {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")}

    def run(*entries, fails=False, director=None, root=None, broken=""):
        plan = {"id": ID, "manifest": {"etcd": found, "objects": found["objects"]}, "progress": progress.read(backend), "former": []}
        local = {"ansible_connection": "local", "restore_plan": plan}
        variables["director_credentials"] = {"credentials": {"etcd-root": root or {"password": PASSWORD}}}
        groups = {"etcd": {"hosts": hosts}, "worker": {"hosts": WORKERS}, **({"director": {"hosts": director}} if director else {})}
        inventory = {"all": {"vars": variables, "hosts": {"localhost": local}, "children": groups}}
        (tmp_path / "hosts.json").write_text(json.dumps(inventory))
        tasks = [{"name": entry, "ansible.builtin.include_role": {"name": ROLE, "tasks_from": entry}} for entry in entries]
        fail = {"name": "Fail", "ansible.builtin.fail": {"msg": "broken"}, "when": f"inventory_hostname == '{broken}'"}
        (tmp_path / "play.yml").write_text(yaml.safe_dump([{**play, "tasks": [fail, *tasks]}]))
        (tmp_path / "extra.json").write_text(json.dumps({"__restore_connection": connection}))
        command = [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.json", "-e", "@extra.json", "play.yml", "-vvv"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        output = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, output
        assert PASSWORD not in output
        return output

    run.backend, run.path = backend, tmp_path
    return run


def stop(cluster) -> None:
    for host in cluster.hosts:
        host.systemctl("stop")


def keys(cluster) -> list[str]:
    return cluster.etcdctl("get", "--keys-only", "--prefix", "/").stdout.split()


def test_members_are_restored_in_step(restore, etcd_cluster):
    restore("send.yml")
    assert not (restore.path / "work").exists() and len(keys(etcd_cluster)) == 5
    stop(etcd_cluster)
    restore("member.yml")
    assert keys(etcd_cluster) == [*(f"{LEASES}10.200.{number}.0-24" for number in (2, 7)), "/registry/precious"]
    assert progress.read(restore.backend)["phase"] == "restored"
    assert not list(restore.path.glob("etcd-*/received/*"))
    # The same command again takes back nothing that was written since then.
    etcd_cluster.etcdctl("put", "/registry/pods/default/since", "value")
    restore("send.yml", "member.yml")
    assert keys(etcd_cluster)[2:] == ["/registry/pods/default/since", "/registry/precious"]


def test_a_member_that_failed_is_restored_by_the_next_run(restore, etcd_cluster):
    """It would have former data and the ID of another cluster, so it must not be left behind."""
    name = etcd_cluster.hosts[1].name
    restore("send.yml")
    stop(etcd_cluster)
    assert f"{name}: found a problem or no answer, expected every member to be restored" in restore("member.yml", fails=True, broken=name)
    assert progress.read(restore.backend)["phase"] == "begun"
    restore("member.yml")
    assert progress.read(restore.backend)["phase"] == "restored"
    assert keys(etcd_cluster)[-1] == "/registry/precious"


def test_a_backup_from_the_middle_of_a_rotation_of_passwords(restore, etcd_cluster):
    """The store of the backup has two passwords, and the snapshot the former one. The store that lives has a third one."""
    between = {"type": "password", "number": 2, "rotation": "use"}, {"password": "the second password", "others": [{"number": 1, "password": PASSWORD}]}
    today = {"type": "password", "number": 3}, {"password": "the third password"}
    _public, root = merged({ETCD_ROOT: today}, {ETCD_ROOT: [between]}, [])[ETCD_ROOT]
    restore("send.yml")
    restore("member.yml", root=root)
    assert progress.read(restore.backend)["phase"] == "restored"
    # As role etcd does it.
    etcd_cluster.password = root["password"]
    formers = {"former_passwords": [other["password"] for other in root["others"]]}
    options = {"users": [{"name": "root", "password": root["password"], "roles": ["root"]}], "update_password": "always", **formers}
    assert [etcd_cluster.hosts[0].run("etcd_auth", **options)["changed"] for _run in range(2)] == [True, False]
    assert "cannot log in" in etcd_cluster.hosts[0].run("etcd_key", key="/a", value="b", password=PASSWORD)["msg"]


def test_a_director_that_is_another_host(restore, etcd_cluster):
    (restore.path / "sshd").mkdir()
    with sshd_running(restore.path / "sshd") as server:
        director = {
            "ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": server.port, "ansible_ssh_private_key_file": str(server.key),
            "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={server.known_hosts} -o IdentitiesOnly=yes",
        }  # fmt: skip
        output = restore("send.yml", director={"director-0": director})
    assert "-> director-0" in output and not (restore.path / "work").exists()
    assert len(list(restore.path.glob(f"etcd-*/received/{ID}/etcd.snapshot"))) == 3


def test_a_snapshot_that_changes_on_its_way(restore, etcd_cluster):
    content = bytearray((restore.path / "work/etcd.snapshot").read_bytes())
    content[5000] ^= 1
    (restore.path / "work/etcd.snapshot").write_bytes(content)
    assert "found another SHA-256 after it was sent" in restore("send.yml", fails=True)
    assert len(keys(etcd_cluster)) == 5 and etcd_cluster.info()["healthy"]

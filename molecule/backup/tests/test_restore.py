# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster goes back to a backup: after a rotation of its keys, after the loss of etcd, by runs that were killed, and on other hosts when all is lost."""

from __future__ import annotations

import json
import subprocess
import typing as t

import pytest
from overlay import etcdctl, lease
from playbook import Run, changes
from scenario import CLUSTER, DIRECTORY, ROOT, ContinuousRequests, addresses, api_answers, apply, ask, get, kubeconfig, kubectl, on, run, wait

ETCD = [name for name in addresses() if name.startswith("etcd")]
SOON = "rotate_token_hours=0 rotate_trust_minutes=0"
KEYS = f"--extra-vars=rotate=encryption,service-account,passwords {SOON}"
CAS = f"--extra-vars=rotate=kubernetes,etcd,front-proxy {SOON}"
CONFIRMED = f"--extra-vars=restore=latest restore_confirm={CLUSTER}"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
NEW_SUBNET = "10.30.45.0/24"
# What molecule gives to the playbooks that create and remove the hosts.
PROVISION = [
    f"--extra-vars=cluster_name={CLUSTER} destroy_cluster={CLUSTER} iaas_directory={DIRECTORY} iaas_owner=molecule",
    f"--extra-vars=@{ROOT}/molecule/backup/cluster.yml",
]


class Then(t.NamedTuple):
    """What the cluster had when it was backed up."""

    token: str  # of a pod's account
    objects: dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def then(backups) -> Then:
    """Make a backup, and return what the cluster had."""
    apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "then"}, "stringData": {"word": "from then"}})
    found = Then(kubectl("create", "token", "default", "--duration=24h").strip(), objects())
    backups.run("backup.yml")
    return found


def objects() -> dict[str, tuple[str, str]]:
    """Return the identity of objects that nothing changes by itself, and the content of those that neither add-ons nor controllers write."""
    found = {}
    for its in get("configmaps,secrets", "--all-namespaces")["items"]:
        about = its["metadata"]
        own = about["namespace"] == "default" and about["name"] != "kube-root-ca.crt"
        content = json.dumps(its.get("data"), sort_keys=True) if own else ""
        found[f"{its['kind']} {about['namespace']}/{about['name']}"] = (about["uid"], content)
    return found


def authenticated(token: str) -> bool:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    return json.loads(kubectl("create", "--filename=-", "--output=json", input=json.dumps(review)))["status"].get("authenticated", False)


def authorities() -> tuple[str, str]:
    """Return the certificates of the CAs that pods and the aggregation layer trust."""
    trusted = "extension-apiserver-authentication", "--namespace=kube-system", "--output=jsonpath={.data.requestheader-client-ca-file}"
    return kubectl("get", "configmap", "kube-root-ca.crt", r"--output=jsonpath={.data.ca\.crt}"), kubectl("get", "configmap", *trusted)


def change_much() -> str:
    """Write and delete after the backup, and return the revision."""
    apply(*({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"later-{number}"}} for number in range(200)))
    kubectl("delete", "secret", "then", "--ignore-not-found")
    return ask(*kubeconfig(), "GET", f"{CONFIGMAPS}?limit=1")[1]["metadata"]["resourceVersion"]


def check_then(then: Then) -> None:
    """Check that everything from then is there, and nothing from later."""
    assert kubectl("get", "secret", "then", "--output=jsonpath={.data.word}") == "ZnJvbSB0aGVu"
    assert objects() == then.objects
    wait(all_ready, 120)
    for name in ETCD:
        assert on(name, "sh", "-c", "ls -A /var/lib/cfcr-snapshots 2>/dev/null || true") == ""


def all_ready() -> bool:
    """Return whether exactly the workers of the inventory are Ready."""
    try:
        nodes = {node["metadata"]["name"]: node["status"]["conditions"] for node in get("nodes")["items"]}
    except subprocess.CalledProcessError:  # the API is away
        return False
    workers = {address for name, address in addresses().items() if name.startswith("worker")}
    return set(nodes) == workers and all({its["type"]: its["status"] for its in conditions}["Ready"] == "True" for conditions in nodes.values())


def test_check_mode_proves_the_backup_and_changes_nothing(backups, then):
    change_much()
    done = backups.run("restore.yml", "--check", "--extra-vars=restore=latest")
    assert "verified" in done.text and "former data is moved aside" in " ".join(done.text.split())
    assert kubectl("get", "configmap", "later-0", "--output=name")


def test_what_is_refused_before_anything_is_touched(backups, then):
    damaged = backups.target.parent / backups.files[-1].name
    content = bytearray(backups.files[-1].read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    for options, said in (("restore=latest", f"expected {CLUSTER}"), (f"restore={damaged} restore_confirm={CLUSTER}", "damaged")):
        refused = Run("restore.yml", *backups.options, f"--extra-vars={options}")
        assert refused.end() != 0 and said in " ".join(refused.text.split()), refused.text
    assert not (backups.target.parent / "restore").exists()
    assert kubectl("get", "configmap", "later-0", "--output=name")


def test_a_living_cluster_goes_back_after_a_rotation_of_its_keys(backups, then, figures):
    backups.run("rotate.yml", KEYS)
    newest = change_much()
    assert not authenticated(then.token)
    with ContinuousRequests(api_answers) as api:
        done = backups.run("restore.yml", CONFIRMED)
    figures("Restore of a living cluster", seconds=done.seconds, **api.summary)
    check_then(then)
    assert authenticated(then.token)
    # A client that watched before learns that the data is another one.
    status, event = ask(*kubeconfig(), "GET", f"{CONFIGMAPS}?watch=1&timeoutSeconds=5&resourceVersion={newest}")
    assert status == 410 or event["object"]["code"] == 410, (status, event)
    assert all("member.before-restore" in on(name, "ls", "/var/lib/etcd") for name in ETCD)
    assert changes(backups.run("site.yml").text) == {}
    backups.run("health.yml")


@pytest.mark.long
def test_former_keys_are_dropped_by_a_rotation(backups, then):
    backups.run("rotate.yml", KEYS)
    assert not authenticated(then.token)
    assert kubectl("get", "secret", "then", "--output=jsonpath={.data.word}") == "ZnJvbSB0aGVu"


@pytest.mark.long
def test_cas_that_were_rotated_after_the_backup_stay(backups, then):
    """The data of then has the former ones, which nothing trusts any more."""
    trusted = authorities()
    backups.run("rotate.yml", CAS)
    rotated = authorities()
    assert not set(rotated).intersection(trusted)
    backups.run("restore.yml", CONFIRMED)
    check_then(then)
    wait(lambda: authorities() == rotated, 60)
    assert changes(backups.run("site.yml").text) == {}


@pytest.mark.long
def test_all_of_etcd_is_lost(backups, then, figures):
    for name in ETCD:
        on(name, "systemctl", "stop", "etcd")
        on(name, "sh", "-c", "rm -rf /var/lib/etcd/member")
    refused = Run("site.yml")
    assert refused.end() != 0 and "restore it from a backup" in " ".join(refused.text.split())
    done = backups.run("restore.yml", CONFIRMED)
    figures("Restore after the loss of etcd", seconds=done.seconds)
    check_then(then)


@pytest.mark.long
def test_pods_of_a_host_that_was_replaced_after_the_backup_can_start(backups, then):
    """The backup has the lease of the former host, which fits neither the bridge nor the pods of this one."""
    former = lease("worker-0")
    run("podman", "rm", "--force", "--volumes", f"{CLUSTER}-worker-0")
    etcdctl("del", former)
    backups.run("provision.yml", *PROVISION)
    backups.run("site.yml")
    own = lease("worker-0")
    assert own != former
    backups.run("restore.yml", CONFIRMED)
    check_then(then)
    assert lease("worker-0") == own
    bridge = json.loads(on("worker-0", "ip", "-json", "address", "show", "dev", "cni0"))[0]["addr_info"][0]
    assert f"{bridge['local']}/{bridge['prefixlen']}" in on("worker-0", "cat", "/run/flannel/subnet.env")
    assert bridge["local"].rpartition(".")[0] == own.rpartition("/")[2].rpartition(".")[0]
    kubectl("rollout", "restart", "--namespace=kube-system", "deployment/coredns")
    kubectl("rollout", "status", "--namespace=kube-system", "deployment/coredns", "--timeout=120s")


@pytest.mark.long
def test_a_killed_restore_goes_on(backups, then):
    change_much()
    for words in (
        ("Restore the store, or add the keys",), ("Stop everything that remembers",), ("Restore the member, and start it",),
        ("Record that etcd is restored", "Configure etcd users"), ("Configure the control plane",),
    ):  # fmt: skip
        Run("restore.yml", CONFIRMED, *backups.options).kill_at(*words)
    done = backups.run("restore.yml", CONFIRMED)
    assert "continues a restore" in " ".join(done.text.split())
    check_then(then)
    backups.run("site.yml")
    assert "expected a restore that has finished" not in " ".join(backups.run("health.yml").text.split())


def test_all_is_lost(backups, then, figures):
    """Only inventory, backup and passphrase are left. The hosts come back with other addresses."""
    old = set(addresses().values())
    backups.run("destroy.yml", *PROVISION)
    assert not (DIRECTORY / "store").exists()
    backups.run("provision.yml", *PROVISION, f"--extra-vars=iaas_subnet={NEW_SUBNET}")
    assert not old & set(addresses().values())
    done = backups.run("restore.yml", f"--extra-vars=restore={backups.files[-1]} restore_confirm={CLUSTER}")
    ready_after = done.seconds + wait(all_ready, 300)
    figures("All lost", seconds=done.seconds, ready_after=ready_after)
    assert ready_after <= 300, ready_after
    check_then(then)
    assert authenticated(then.token)
    assert not any(address in json.dumps(get("nodes")) for address in old)
    assert changes(backups.run("site.yml").text) == {}
    backups.run("backup.yml")  # the new store knows of none, which is a finding
    backups.run("health.yml")

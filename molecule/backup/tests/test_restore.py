# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A living cluster goes back to its backup after all keys were rotated, and a cluster of which nothing is left comes back on other addresses."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
from playbook import Run
from scenario import CLUSTER, DIRECTORY, ROOT, ContinuousRequests, addresses, api_answers, apply, ask, get, kubeconfig, kubectl, run, wait

NEW_SUBNET = "10.30.45.0/24"
SECRET = "/api/v1/namespaces/default/secrets/precious"
# What molecule gives to the playbooks that create and remove the hosts.
PROVISION = [
    f"--extra-vars=cluster_name={CLUSTER} destroy_cluster={CLUSTER} iaas_directory={DIRECTORY} iaas_owner=molecule",
    f"--extra-vars=@{ROOT}/molecule/backup/cluster.yml",
]


class Before(t.NamedTuple):
    """What the cluster had when it was backed up."""

    token: str  # of a pod's account
    objects: int
    backup: str


def counted() -> int:
    return len(get("configmaps", "--namespace=default")["items"])


def ready() -> bool:
    try:
        nodes = {node["metadata"]["name"]: node for node in get("nodes")["items"]}
    except Exception:  # kubectl fails while the API is away
        return False
    states = [{condition["type"]: condition["status"] for condition in node["status"]["conditions"]}["Ready"] for node in nodes.values()]
    return set(nodes) == {address for name, address in addresses().items() if name.startswith("worker")} and set(states) == {"True"}


def changes(done: Run) -> set[str]:
    """Return the numbers of changes on hosts."""
    return set(re.findall(r"changed=(\d+)", done.text))


def accepted(token: str) -> bool:
    """Return whether the API server knows whose token it is; what the account may do does not matter."""
    server, _context = kubeconfig()
    options = ["--silent", "--insecure", "--output", "/dev/null", "--write-out", "%{http_code}", "--config", "-"]
    return run("curl", *options, f"{server}/api/v1/nodes", input=f'header = "Authorization: Bearer {token}"') in ("200", "403")


@pytest.fixture(scope="module")
def before(backups) -> Before:
    apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "precious"}, "stringData": {"word": "from before"}})
    token = kubectl("create", "token", "default", "--duration=12h").strip()
    objects = counted()
    backups.run("backup.yml")
    return Before(token, objects, backups.files[-1].name)


def test_what_is_refused_before_anything_is_touched(backups, before):
    for options, said in ((["--extra-vars=restore=latest"], f"expected {CLUSTER}"), (["--extra-vars=restore=no-such"], "no-such")):
        refused = Run("restore.yml", *backups.options, *options)
        assert refused.end() != 0 and said in " ".join(refused.text.split()), refused.text
    damaged = backups.target.parent / before.backup
    content = bytearray((backups.target / before.backup).read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    refused = Run("restore.yml", *backups.options, f"--extra-vars=restore={damaged} restore_confirm={CLUSTER}")
    assert refused.end() != 0 and "damaged" in refused.text, refused.text
    assert ready()


def test_a_living_cluster_goes_back_after_a_rotation(backups, before, figures):
    backups.run("rotate.yml", "--extra-vars=rotate=encryption,service-account,passwords rotate_token_hours=0")
    kubectl("delete", "secret", "precious")
    apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "written-after"}})
    newest = get("configmaps", "--namespace=default")["metadata"]["resourceVersion"]
    assert not accepted(before.token)
    with ContinuousRequests(api_answers) as requests:
        done = backups.run("restore.yml", f"--extra-vars=restore=latest restore_confirm={CLUSTER}")
    figures("Restore of a living cluster", seconds=done.seconds, api=requests.summary)
    wait(ready, 120)
    _status, secret = ask(*kubeconfig(), "GET", SECRET)
    assert secret["data"] == {"word": "ZnJvbSBiZWZvcmU="}
    assert counted() == before.objects and "written-after" not in kubectl("get", "configmaps", "--output=name")
    assert accepted(before.token)
    # A client that watched before learns that the data is another one.
    status, event = ask(*kubeconfig(), "GET", f"/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=5&resourceVersion={newest}")
    assert status == 410 or event["object"]["code"] == 410, (status, event)
    assert changes(backups.run("site.yml")) == {"0"}
    backups.run("health.yml")


def test_all_is_lost(backups, before, figures):
    """Only inventory, backup and passphrase are left. The hosts come back with other addresses."""
    old = set(addresses().values())
    backups.run("destroy.yml", *PROVISION)
    assert not (DIRECTORY / "store").exists()
    backups.run("provision.yml", *PROVISION, f"--extra-vars=iaas_subnet={NEW_SUBNET}")
    assert not old & set(addresses().values())
    done = backups.run("restore.yml", f"--extra-vars=restore={before.backup} restore_confirm={CLUSTER}")
    seconds = wait(ready, 300)
    figures("All lost", seconds=done.seconds, ready_after=done.seconds + seconds)
    _status, secret = ask(*kubeconfig(), "GET", SECRET)
    assert secret["data"] == {"word": "ZnJvbSBiZWZvcmU="}
    assert counted() == before.objects and accepted(before.token)
    assert not any(address in json.dumps(get("nodes")) for address in old)
    backups.run("health.yml")
    assert changes(backups.run("site.yml")) == {"0"}

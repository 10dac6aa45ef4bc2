# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster goes back to a backup: after a rotation of all keys, after the loss of etcd, and by a run that was killed."""

from __future__ import annotations

import json

import pytest
from playbook import Run
from scenario import CLUSTER, DIRECTORY, ContinuousRequests, addresses, apply, ask, get, host, kubeconfig, kubectl, on, wait

TARGET = DIRECTORY / "restores"
PASSPHRASE = "a passphrase of the tests"
EVERYTHING = "rotate=kubernetes,etcd,front-proxy,service-account,encryption,passwords,certificates rotate_token_hours=0 rotate_trust_minutes=0"
ETCD = [name for name in addresses() if name.startswith("etcd")]
CONFIRMED = ["--extra-vars=restore=latest", f"--extra-vars=restore_confirm={CLUSTER}"]


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> list[str]:
    """Return the options of playbooks backup and restore."""
    TARGET.mkdir(exist_ok=True)
    file = tmp_path_factory.mktemp("restore") / "restore.json"
    file.touch(mode=0o600)
    variables = {
        "backup_passphrase": PASSPHRASE, "backup_targets": [{"type": "directory", "path": str(TARGET)}],
        "backup_directory": str(DIRECTORY / "backup-work"), "restore_directory": str(DIRECTORY / "restore-work"),
    }  # fmt: skip
    file.write_text(json.dumps(variables), encoding="utf-8")
    return [f"--extra-vars=@{file}"]


@pytest.fixture(scope="module")
def then(options) -> dict:
    """Make a backup, and return what the cluster had."""
    apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "then"}, "stringData": {"word": "from then"}})
    kept = {"token": kubectl("create", "token", "default", "--duration=24h"), "objects": names("configmaps,secrets,pods --all-namespaces")}
    succeed("backup.yml", *options)
    return kept


def succeed(playbook: str, *words: str) -> Run:
    done = Run(playbook, *words)
    assert done.end() == 0, done.text
    assert PASSPHRASE not in done.text
    return done


def names(what: str) -> set[str]:
    return {f"{its['kind']} {its['metadata'].get('namespace')}/{its['metadata']['name']}" for its in get(*what.split())["items"]}


def authenticated(token: str) -> bool:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    return json.loads(kubectl("create", "--filename=-", "--output=json", input=json.dumps(review)))["status"].get("authenticated", False)


def change_much() -> None:
    """Write and delete after the backup."""
    apply(*({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"later-{number}"}} for number in range(200)))
    kubectl("delete", "secret", "then", "--ignore-not-found")


def check_then(then: dict) -> None:
    """Check that everything from then is there, and nothing from later: events, leases and pods of the add-ons change by themselves."""
    assert kubectl("get", "secret", "then", "--output=jsonpath={.data.word}") == "ZnJvbSB0aGVu"
    found = names("configmaps,secrets --all-namespaces")
    assert not [name for name in found if "/later-" in name]
    assert {name for name in then["objects"] if not name.startswith("Pod")} <= found
    wait(lambda: all(ready(node) for node in get("nodes")["items"]), 120)
    assert host(ETCD[0]).check_output("ls -A /var/lib/cfcr-snapshots 2>/dev/null || true") == ""


def ready(node: dict) -> bool:
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in node["status"]["conditions"])


def test_check_mode_proves_the_backup_and_changes_nothing(options, then):
    change_much()
    done = succeed("restore.yml", "--check", "--extra-vars=restore=latest", *options)
    assert "verified" in done.text and "former data is moved aside" in " ".join(done.text.split())
    assert kubectl("get", "configmap", "later-0", "--output=name")
    refused = Run("restore.yml", "--extra-vars=restore=latest", *options)
    assert refused.end() != 0 and f"expected {CLUSTER}" in " ".join(refused.text.split())
    assert not (DIRECTORY / "restore-work").exists()


def test_a_living_cluster_goes_back_after_a_rotation_of_all_keys(options, then, figures):
    succeed("rotate.yml", f"--extra-vars={EVERYTHING}")
    change_much()
    assert not authenticated(then["token"])
    with ContinuousRequests(lambda: ask(*kubeconfig(), "GET", "/api/v1/nodes")[0] == 200) as api:
        done = succeed("restore.yml", *CONFIRMED, *options)
    figures("Restore of a living cluster", seconds=done.seconds, **api.summary)
    check_then(then)
    assert authenticated(then["token"])
    assert all("member.before-restore" in on(name, "ls", "/var/lib/etcd") for name in ETCD)
    assert "changed=0" in succeed("site.yml", "--check").text


def test_former_keys_are_dropped_by_a_rotation(then):
    succeed("rotate.yml", "--extra-vars=rotate=service-account,encryption,passwords rotate_token_hours=0 rotate_trust_minutes=0")
    assert not authenticated(then["token"])
    assert kubectl("get", "secret", "then", "--output=jsonpath={.data.word}") == "ZnJvbSB0aGVu"


def test_all_of_etcd_is_lost(options, then, figures):
    for name in ETCD:
        on(name, "systemctl", "stop", "etcd")
        on(name, "sh", "-c", "rm -rf /var/lib/etcd/member")
    refused = Run("site.yml")
    assert refused.end() != 0 and "restore it from a backup" in " ".join(refused.text.split())
    done = succeed("restore.yml", *CONFIRMED, *options)
    figures("Restore after the loss of etcd", seconds=done.seconds)
    check_then(then)


def test_a_killed_restore_goes_on(options, then):
    change_much()
    for words in (
        ("Restore the store, or add the keys",), ("Stop everything that remembers",), ("Restore the member, and start it",),
        ("Record that etcd is restored", "Configure etcd users"), ("Configure the control plane",),
    ):  # fmt: skip
        Run("restore.yml", *CONFIRMED, *options).kill_at(*words)
    done = succeed("restore.yml", *CONFIRMED, *options)
    assert "continues a restore" in " ".join(done.text.split())
    check_then(then)
    # Whatever the runs left, the next one changes nothing.
    succeed("site.yml")
    assert "expected a restore that has finished" not in " ".join(succeed("health.yml").text.split())

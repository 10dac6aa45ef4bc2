# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operator's registries: pods pull from a real one with a password and through a mirror, containerd is not restarted, and no secret is shown."""

from __future__ import annotations

import base64
import json
import re

import pytest
from playbook import Run, changes
from registry import PASSWORDS, USER, Authority, Registry
from scenario import CLUSTER, DIRECTORY, addresses, agnhost, apply, gateway, get, inventory, kubectl, on, run, wait

FIRST, SECOND = PASSWORDS
WORKER = "worker-0"
HOSTS_TOML, KUBELET = "/etc/containerd/registries/mirrored.test/hosts.toml", "/var/lib/kubelet/config.json"


@pytest.fixture(scope="module")
def registry():
    """Serve a registry with a password on the gateway of the hosts' network, with the image of the tests."""
    archive, copy = DIRECTORY / "agnhost.tar", "/root/agnhost.tar"
    on(WORKER, "/opt/cfcr/bin/ctr", "--namespace", "k8s.io", "images", "export", copy, agnhost())
    run("podman", "cp", f"{CLUSTER}-{WORKER}:{copy}", archive)
    on(WORKER, "rm", copy)
    authority = Authority.create(DIRECTORY / "registry-ca")
    with Registry(DIRECTORY / "registry", f"{gateway()}:5443", authority, [f"IP:{gateway()}"], FIRST) as served:
        served.digest = served.push(archive, "private/agnhost", "1")
        archive.unlink()
        yield served


@pytest.fixture(scope="module", autouse=True)
def _no_registries_afterwards():
    yield
    run_without = Run("site.yml")
    assert run_without.end() == 0, run_without.text
    assert json.loads(on(WORKER, "cat", KUBELET)) == {"auths": {}}
    assert on(WORKER, "find", "/etc/containerd/registries", "-mindepth", "1") == ""


def site(registry, password: str, *options: str) -> Run:
    """Run site.yml with the registry, which is also the mirror of one that does not exist."""
    own = {"host": registry.listen, "ca": registry.authority.certificate.read_text(encoding="utf-8"), "username": USER, "password": password}
    variables = {"cluster_registries": [own, {"host": "mirrored.test", "mirrors": [f"https://{registry.listen}"]}]}
    path = DIRECTORY / "registries.json"
    path.write_text(json.dumps(variables), encoding="utf-8")
    playbook = Run("site.yml", f"--extra-vars=@{path}", *options)
    assert playbook.end() == 0, playbook.text
    for secret in (*PASSWORDS, *(base64.b64encode(f"{USER}:{password}".encode()).decode() for password in PASSWORDS)):
        assert secret not in playbook.text
    return playbook


def process(unit: str) -> str:
    return on(WORKER, "systemctl", "show", "--property=MainPID", "--value", unit).strip()


def pulls(name: str, image: str) -> bool:
    """Tell whether a pod starts with an image that kubelet has to pull."""
    container = {"name": "agnhost", "image": image, "imagePullPolicy": "Always", "command": ["/agnhost", "pause"]}
    spec = {"nodeName": addresses()[WORKER], "terminationGracePeriodSeconds": 1, "containers": [container]}
    apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})

    def state() -> dict:
        return (get("pod", name)["status"].get("containerStatuses") or [{"state": {}}])[0]["state"]

    try:
        wait(lambda: "running" in state() or state().get("waiting", {}).get("reason") in ("ErrImagePull", "ImagePullBackOff"), 60)
        return "running" in state()
    finally:
        kubectl("delete", "pod", name)


def test_pods_pull_without_a_restart_of_containerd(registry, figures):
    private, mirrored = f"{registry.listen}/private/agnhost:1", f"mirrored.test/private/agnhost@{registry.digest}"
    assert not pulls("before", private)
    containerd, kubelet = process("containerd"), process("kubelet")
    configured = site(registry, FIRST)
    assert pulls("private", private)
    assert pulls("mirrored", mirrored)
    assert process("containerd") == containerd
    assert process("kubelet") != kubelet
    assert re.search(r'HEAD /v2/private/agnhost/manifests/sha256:\w+\?ns=mirrored.test', registry.log)
    repeated = site(registry, FIRST, "--diff")
    assert changes(repeated.text) == {}
    figures("Registries", first_run=configured.seconds, second_run=repeated.seconds)


def test_only_root_reads_the_passwords():
    for path in (KUBELET, HOSTS_TOML):
        assert on(WORKER, "stat", "--format=%a %U", path).strip() == "600 root"
        secrets = base64.b64encode(f"{USER}:{FIRST}".encode()).decode()
        assert secrets in on(WORKER, "cat", path)
        # No record and no descriptor of a job has them, in any form.
        for text in (secrets, FIRST):
            assert on(WORKER, "sh", "-c", f"grep -rlF '{text}' /var/lib/cfcr /etc/cfcr /etc/systemd /run/systemd || true") == ""


def test_a_changed_password_reaches_kubelet_and_is_not_shown(registry):
    containerd = process("containerd")
    planned = site(registry, SECOND, "--check", "--diff")
    assert "(another secret)" in planned.text
    assert set(changes(planned.text)) == {"etcd-0", *inventory()["children"]["worker"]["hosts"]}
    assert base64.b64encode(f"{USER}:{FIRST}".encode()).decode() in on(WORKER, "cat", KUBELET)
    registry.set_password(SECOND)
    assert not pulls("outdated", f"{registry.listen}/private/agnhost:1")
    # The first etcd host stands for the director, whose store gets the password.
    assert set(changes(site(registry, SECOND, "--diff").text)) == {"etcd-0", *inventory()["children"]["worker"]["hosts"]}
    assert pulls("current", f"{registry.listen}/private/agnhost:1")
    assert process("containerd") == containerd

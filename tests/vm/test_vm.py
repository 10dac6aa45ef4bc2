# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A virtual machine as a further worker of a local cluster. It joins, serves pods, survives a reboot and a power failure, and is repaired.

The tests build on each other. They print how long things took.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
import typing as t

import pytest
import yaml
from machine import ROOT, USER, Machine, run

CLUSTER = "vm-test"
NETWORK = "10.30.13"
STATE = ROOT / ".local/vm"
NAME, ADDRESS = "worker-1", f"{NETWORK}.22"
INVENTORIES = (f"--inventory={STATE}/inventory.yml", f"--inventory={STATE}/vm.yml")
HEALTHY_SECONDS = 600
# An emulated machine takes long to answer, and its programs take long to start.
PATIENCE = {"preflight_wait": 300, "health_answer_seconds": 120, "addons_timeout": 900, "smoke_tests_timeout": 600}
UNITS = "systemd-resolved pdns pdns-recursor cfcr-firewall flanneld containerd kubelet kube-proxy"
PODS = "root 10.200.0.0/16"


class Playbook(t.NamedTuple):
    """The outcome of a run of a playbook."""

    text: str
    seconds: float

    @property
    def changed(self) -> int:
        """The changes on all hosts."""
        return sum(map(int, re.findall(r" changed=(\d+)", self.text)))


def playbook(name: str, *options: str, inventories: tuple[str, ...] = INVENTORIES) -> Playbook:
    """Run a playbook on the cluster with the machine."""
    begin = time.monotonic()
    command = ["ansible-playbook", *inventories, *options, f"playbooks/{name}.yml"]
    # An emulated machine takes long to log in.
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "NO_COLOR": "1", "ANSIBLE_TIMEOUT": "60"}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    (STATE / f"{name}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    return Playbook(done.stdout, round(time.monotonic() - begin))


def local_hosts(name: str, groups: dict[str, int]) -> None:
    """Create or remove the hosts in containers."""
    variables = {
        "cluster_name": CLUSTER,
        "destroy_cluster": CLUSTER,
        "iaas_owner": CLUSTER,
        "iaas_subnet": f"{NETWORK}.0/24",
        "iaas_directory": str(STATE),
        "iaas_groups": groups,
    }
    playbook(name, f"--extra-vars={json.dumps(variables)}", inventories=(f"--inventory={ROOT}/inventories/local",))


@pytest.fixture(scope="module")
def machine() -> t.Iterator[Machine]:
    """Create a cluster of containers, and a virtual machine in its network. They are removed at the end."""
    STATE.mkdir(parents=True, exist_ok=True)
    its = None
    try:
        local_hosts("provision", {"master": 1, "etcd": 1, "worker": 1, "proxy": 1})
        network = json.loads(run("podman", "network", "inspect", CLUSTER))[0]
        its = Machine(STATE, NAME, ADDRESS, network["subnets"][0]["gateway"], network["network_interface"])
        its.create()
        options = " ".join(its.ssh_options)
        variables = {"ansible_host": ADDRESS, "ansible_user": USER, "ansible_become": True, "ansible_ssh_common_args": options}
        inventory = {"all": {"vars": PATIENCE}, "worker": {"hosts": {NAME: variables}}}
        (STATE / "vm.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
        yield its
    finally:
        if its:
            its.stop()
        local_hosts("destroy", {})
        shutil.rmtree(STATE, ignore_errors=True)


def figures(**values: object) -> None:
    """Print measurements, which the step's log has."""
    print(json.dumps(values))


def is_healthy() -> bool:
    with contextlib.suppress(AssertionError):
        return "no findings" in playbook("health").text
    return False


def applied(machine: Machine) -> dict[str, list[str]]:
    """Return what the collection puts into the machine's kernel and its resolver."""
    commands = {
        "sysctls": 'sed --quiet "s/ *=.*//p" /etc/sysctl.d/*cfcr-* | xargs sysctl',
        "modules": "for module in $(cat /etc/modules-load.d/cfcr-*); do if test -d /sys/module/$module; then echo $module; fi; done",
        "tables": "nft list tables",
        "firewall": "nft list table inet cfcr",
        "resolv.conf": "readlink -f /etc/resolv.conf; cat /etc/resolv.conf",
        "resolver": "resolvectl domain cfcr-dns; resolvectl dns cfcr-dns",
        "routes": f"ip route show {PODS}",
        "enabled": f"systemctl is-enabled {UNITS}",
        "running": f"systemctl is-active {UNITS}",
    }
    # One connection for all of them: each one takes seconds in an emulated machine.
    text = machine.run("; ".join(f"echo [{name}]; {command}" for name, command in commands.items()))
    sections = re.split(r"^\[([\w.]+)\]\n", text, flags=re.MULTILINE)[1:]
    # The indexes of interfaces change.
    return {name: sorted(re.sub(r"Link \d+", "Link", content).splitlines()) for name, content in zip(sections[::2], sections[1::2])}


def test_boots(machine):
    """The machine has its own kernel, cgroup version 2 and systemd-resolved, and does not let root in."""
    figures(accelerated_by=machine.accelerated_by, boot_seconds=machine.start())
    assert machine.run("stat --file-system --format=%T /sys/fs/cgroup").strip() == "cgroup2fs"
    assert machine.run("uname --kernel-release") != run("uname", "--kernel-release")
    assert machine.run("systemctl is-active systemd-resolved").strip() == "active"
    refused = subprocess.run(
        ["ssh", *machine.ssh_options, "-o", "BatchMode=yes", "-i", str(STATE / "ssh_key"), f"root@{ADDRESS}", "id -u"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert refused.returncode != 0


def test_joins(machine):
    first = playbook("site")
    second = playbook("site")
    figures(first_run=first.seconds, second_run=second.seconds)
    assert second.changed == 0
    assert "no findings" in playbook("health").text


def test_serves_pods(machine):
    """A pod runs on every worker, and reaches the others by Services, names and the overlay network."""
    text = playbook("smoke_tests").text
    assert "2 pods on 2 workers" in text
    assert f"service by name from {NAME}" in text
    assert "FAILED" not in text


def test_systemd_manages_cgroups(machine):
    """The kubelet and containerd use cgroup version 2 with systemd's driver: each pod is a slice, each container a scope."""
    assert "cgroupDriver: systemd" in machine.run("cat /etc/kubernetes/kubelet.yaml")
    assert "SystemdCgroup = true" in machine.run("cat /etc/containerd/config.toml")
    run_pod()
    try:
        scopes = machine.run("systemctl list-units --type=scope --plain --no-legend | grep cri-containerd")
        groups = machine.run("find /sys/fs/cgroup/kubepods.slice -name cri-containerd-\\*.scope -type d")
    finally:
        kubectl("delete", "pod", "lasting", "--now")
    assert "cri-containerd-" in scopes
    assert re.search(r"kubepods\.slice/kubepods-\w+\.slice/kubepods-\w+-pod\w+\.slice/cri-containerd-", groups)


def test_survives_reboot(machine):
    check_return(machine, lambda: machine.run("systemctl reboot || true"))


def test_survives_power_failure(machine):
    machine.run("sync")

    def cut() -> None:
        machine.stop()
        machine.start()

    check_return(machine, cut)


def check_return(machine: Machine, restart: t.Callable[[], object]) -> None:
    """Restart the machine, and check that everything comes back without a run, and that a run then changes nothing."""
    before, boot = applied(machine), machine.boot()
    assert before["tables"] and before["modules"] and before["sysctls"]
    try:
        restart()
    except AssertionError as error:  # the connection ends with the machine
        assert "closed" in str(error) or "exit code 255" in str(error)
    back = machine.wait(lambda: machine.boot() not in ("", boot), 600)
    healthy = machine.wait(is_healthy, HEALTHY_SECONDS)
    after = applied(machine)
    figures(ssh_after_seconds=back, healthy_after_seconds=healthy)
    assert after == before
    assert machine.run("resolvectl query master.cfcr.internal")
    assert "FAILED" not in playbook("smoke_tests").text
    assert playbook("site").changed == 0


def test_is_repaired(machine):
    """A playbook restores what somebody took away."""
    before = applied(machine)
    machine.run("nft delete table inet cfcr; ip link delete cfcr-dns; systemctl disable --now --quiet kubelet kube-proxy; rm /etc/kubernetes/kubelet.yaml")
    assert not is_healthy()
    repaired = playbook("repair")
    figures(repaired_in_seconds=repaired.seconds)
    assert is_healthy()
    assert applied(machine) == before
    assert playbook("site").changed == 0


def kubectl(*arguments: str, **options: t.Any) -> str:
    return run(STATE / "bin/kubectl", f"--kubeconfig={STATE}/kubeconfig", *arguments, **options)


def run_pod() -> None:
    """Run a pod on the machine, with an image that it has."""
    nodes = json.loads(kubectl("get", "nodes", "--output=json"))["items"]
    images = next(node["status"]["images"] for node in nodes if node["metadata"]["name"] == ADDRESS)
    image = next(name for found in images for name in found["names"] if "agnhost" in name)
    container = {"name": "web", "image": image, "imagePullPolicy": "Never", "command": ["/agnhost", "netexec", "--http-port=8080"]}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "lasting"},
        "spec": {"nodeName": ADDRESS, "terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    kubectl("apply", "--filename=-", input=json.dumps(pod))
    kubectl("wait", "--for=condition=Ready", "pod/lasting", "--timeout=120s")

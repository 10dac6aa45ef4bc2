# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The endpoint of the API and of a workload, as users and workers have them, with all hosts and with dead ones."""

from __future__ import annotations

import concurrent.futures
import contextlib
import csv
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest
import testinfra
import yaml

SCENARIO = pathlib.Path(__file__).parents[1]
DIRECTORY = pathlib.Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".local/molecule/iaas_lb"
CLUSTER = "molecule-iaas-lb"
API, WORKLOAD = "https://10.30.5.5:8443", "http://10.30.5.6:8080/hostname"
KUBECONFIG = DIRECTORY / "kubeconfig"

sys.path.insert(0, str(SCENARIO))
import poll  # noqa: E402  it stands in the scenario


def run(*command: str, **options) -> str:
    """Return what a command says."""
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def kubectl(*arguments: str, **options) -> str:
    return run(str(DIRECTORY / "bin/kubectl"), f"--kubeconfig={KUBECONFIG}", *arguments, **options)


def host(name: str):
    return testinfra.get_host(f"ansible://{name}?force_ansible=False", ansible_inventory=str(DIRECTORY / "inventory.yml"))


def healthy(balancer: str) -> set[str]:
    """Return the hosts that a load balancer leads to."""
    command = "echo show stat | socat stdio /run/haproxy.sock"
    table = run("podman", "exec", f"{CLUSTER}-lb-{balancer}", "sh", "-c", command).removeprefix("# ")
    servers = [row for row in csv.DictReader(table.splitlines()) if row["svname"] not in ("BACKEND", "FRONTEND")]
    # "UP 1/2" is one that failed a check, and is given up after the next.
    return {row["svname"] for row in servers if row["status"].startswith("UP")}


def wait(condition, seconds: float) -> float:
    """Return how long it took until the condition held."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds
        time.sleep(0.1)
    return time.monotonic() - begin


@contextlib.contextmanager
def killed(name: str):
    """A host is dead for a while."""
    run("podman", "kill", f"{CLUSTER}-{name}")
    try:
        yield
    finally:
        run("podman", "start", f"{CLUSTER}-{name}")


@contextlib.contextmanager
def asked(directory: pathlib.Path, ask):
    """Somebody asks all the while; what they saw is in the result afterwards."""
    file, seen = directory / "asking", {}
    file.touch()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        future = pool.submit(poll.poll, file, ask)
        try:
            yield seen
        finally:
            file.unlink()
    seen.update(future.result())


@pytest.fixture
def figures(capsys):
    """Print what was measured, whatever captures output."""

    def show(title: str, **values) -> None:
        with capsys.disabled():
            print(f"\n{title}: {json.dumps(values)}")

    return show


@pytest.fixture(scope="module")
def workload():
    """Run a pod on every worker, behind the node port of the second load balancer."""
    images = json.loads(kubectl("get", "nodes", "--output", "json"))["items"][0]["status"]["images"]
    (image,) = [image["names"][0] for image in images if "agnhost" in image["names"][0]]
    labels = {"app": "front"}
    container = {"name": "web", "image": image, "imagePullPolicy": "Never", "command": ["/agnhost", "netexec", "--http-port=8080"]}
    service = {"type": "NodePort", "selector": labels, "externalTrafficPolicy": "Local", "ports": [{"port": 80, "targetPort": 8080, "nodePort": 30080}]}
    template = {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}
    objects = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "front"}, "spec": service},
        {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "front"}, "spec": {"selector": {"matchLabels": labels}, "template": template}},
    ]
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    kubectl("apply", "--filename", "-", input=manifest)
    kubectl("rollout", "status", "daemonset/front", "--timeout=60s")
    yield
    kubectl("delete", "--filename", "-", input=manifest)


def test_the_static_address_is_the_endpoint_of_users_and_workers():
    assert kubectl("config", "view", "--minify", "--output", "jsonpath={.clusters[0].cluster.server}") == API
    for program in ("kubelet", "kube-proxy"):
        config = yaml.safe_load(host("worker-0").file(f"/etc/kubernetes/{program}.kubeconfig").content_string)
        assert config["clusters"][0]["cluster"]["server"] == API
    config = yaml.safe_load(host("master-0").file("/etc/kubernetes/kube-scheduler.kubeconfig").content_string)
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:8443"


def test_masters_have_certificates_for_the_new_endpoint_and_the_old_one():
    for name in ("master-0", "master-1"):
        names = host(name).check_output("openssl x509 -in /etc/kubernetes/pki/kube-apiserver.crt -noout -ext subjectAltName")
        assert "IP Address:10.30.5.5" in names and "IP Address:10.30.5.91" in names


def test_load_balancers_lead_to_every_host():
    assert healthy("masters") == {"master-0", "master-1"}
    assert healthy("workers") == {"worker-0", "worker-1"}


def test_the_address_survives_the_load_balancer():
    run("podman", "rm", "--force", "--time", "0", f"{CLUSTER}-lb-masters")
    run("podman", "volume", "rm", f"{CLUSTER}-lb-masters")
    overrides = [f"--extra-vars={pair}" for pair in (f"iaas_directory={DIRECTORY}", "iaas_owner=molecule")]
    playbook = SCENARIO.parents[1] / "playbooks/provision.yml"
    run("ansible-playbook", f"--inventory={DIRECTORY}/inventory.yml", *overrides, f"--extra-vars=@{SCENARIO}/cluster.yml", str(playbook))
    wait(lambda: healthy("masters") == {"master-0", "master-1"}, 20)
    assert "items" in json.loads(kubectl("get", "--raw", "/api/v1/nodes"))


def test_api_outlives_a_master(tmp_path, figures):
    with asked(tmp_path, poll.nodes(API, KUBECONFIG)) as seen:
        time.sleep(3)  # requests with both
        with killed("master-0"):
            withdrawn = wait(lambda: healthy("masters") == {"master-1"}, 20)
            time.sleep(5)  # requests with the dead one left out
        back = wait(lambda: healthy("masters") == {"master-0", "master-1"}, 60)
        time.sleep(3)  # requests with both again
    figures("a master is killed and comes back", **seen, withdrawn_after=round(withdrawn, 1), back_after=round(back, 1))
    assert seen["requests"] > 30
    assert seen["longest_outage"] <= 5


def test_workload_outlives_a_worker(workload, tmp_path, figures):
    def ask() -> bool:
        return poll.get(WORKLOAD)

    wait(ask, 20)
    assert all(ask() for _request in range(20))
    with asked(tmp_path, ask) as seen, killed("worker-1"):
        withdrawn = wait(lambda: healthy("workers") == {"worker-0"}, 20)
        afterwards = [ask() for _request in range(50)]
    figures("a worker is killed", **seen, withdrawn_after=round(withdrawn, 1), failed_afterwards=afterwards.count(False))
    assert all(afterwards)
    assert seen["longest_outage"] <= 5
    wait(lambda: healthy("workers") == {"worker-0", "worker-1"}, 60)

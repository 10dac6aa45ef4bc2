# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A minor update under load, with two kills, a failed canary, a drain that pods block, and no violation of the version skew policy."""

from __future__ import annotations

import json
import random
import re
import subprocess

import overlay
import pytest
from load import Load
from playbook import Run, changes, kill_updates, succeed
from scenario import (
    CLUSTER,
    Connection,
    ContinuousRequests,
    addresses,
    agnhost,
    answers,
    apply,
    ask,
    cordoned,
    get,
    host,
    kubeconfig,
    kubectl,
    on,
    stream,
    wait,
)
from skew import Skew

OLD, NEW = "1.35.4", "1.36.3"
TO_NEW = "--extra-vars=cluster_kubernetes_version=1.36"
# What cluster_kubernetes_version is, one update after the other, with the versions and how often the update is killed.
CHAIN = [("1.36", "1.36.3", 8), ("1.37.1", "1.37.1", 8), ("1.37", "1.37.2", 4)]
ADDRESSES = addresses()
MASTERS = [name for name in ADDRESSES if name.startswith("master")]
WORKERS = [name for name in ADDRESSES if name.startswith("worker")]
NODE_PORT = 30088
NODE_PORT_URL = f"http://{ADDRESSES['proxy-0']}:{NODE_PORT}/hostname"
SELECTOR = {"app": "web"}
SEED = 20261129
LONGEST_SECONDS = 10  # without an answer of the API; the test prints the measured time
SAMPLES_PER_SECOND = 4  # of the versions; five, unless this machine is busy
RUN_SECONDS = 3600  # a run has up to eleven batches


def versions() -> dict[str, str]:
    """Return the version of each component of Kubernetes by host, as the hosts' symlinks have it."""
    found = {}
    for name in ADDRESSES:
        for link in host(name).check_output("cd /opt/cfcr/bin && for i in *; do readlink $i; done").split():
            component, version = link.split("/")[-3:-1]
            found[f"{name} {component}"] = version
    return found


def at(version: str) -> bool:
    return {its for name, its in versions().items() if " kube" in name} == {version}


def skew() -> Skew:
    """Sample the versions of the API servers and of the kubelets."""
    server, context = kubeconfig()
    masters, nodes = [Connection(f"https://{ADDRESSES[name]}:8443", context) for name in MASTERS], Connection(server, context)
    return Skew(
        [lambda master=master: master.get("/version")["gitVersion"] for master in masters],
        lambda: [node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes.get("/api/v1/nodes")["items"]],
    )


class Members:
    """Samples on a master which members of etcd accept connections, and keeps each time when two or more do not."""

    SAMPLE = """
import select, socket, sys, time
samples = 0
while not select.select([sys.stdin], [], [], 0.2)[0]:
    down = []
    for address in sys.argv[1:]:
        try:
            socket.create_connection((address, 2379), 1).close()
        except OSError:
            down.append(address)
    samples += 1
    if len(down) > 1:
        print(time.strftime("%H:%M:%S"), "no answer of", *down)
print(samples)
"""

    def __init__(self) -> None:
        etcd = [address for name, address in ADDRESSES.items() if name.startswith("etcd")]
        command = ["podman", "exec", "--interactive", f"{CLUSTER}-master-0", "python3", "-c", self.SAMPLE, *etcd]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def end(self) -> tuple[int, list[str]]:
        """Return the number of samples, and the violations."""
        *violations, samples = self._process.communicate()[0].splitlines()
        return int(samples), violations


@pytest.fixture(scope="module", autouse=True)
def workload():
    """A Deployment with a PodDisruptionBudget, and a StatefulSet."""
    container = {
        "name": "web", "image": agnhost(), "imagePullPolicy": "Never", "command": ["/agnhost", "netexec", "--http-port=8080", "--delay-shutdown=5"],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }  # fmt: skip
    template = {"metadata": {"labels": SELECTOR}, "spec": {"terminationGracePeriodSeconds": 8, "containers": [container]}}
    spread = [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": SELECTOR}}]
    template["spec"]["topologySpreadConstraints"] = spread
    stateful = {**template, "metadata": {"labels": {"app": "state"}}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}
    apply(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
         "spec": {"replicas": 3, "selector": {"matchLabels": SELECTOR}, "template": template}},
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
         "spec": {"maxUnavailable": 1, "selector": {"matchLabels": SELECTOR}}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
         "spec": {"type": "NodePort", "selector": SELECTOR, "ports": [{"port": 80, "targetPort": 8080, "nodePort": NODE_PORT}]}},
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "state"},
         "spec": {"replicas": 1, "serviceName": "state", "selector": {"matchLabels": {"app": "state"}}, "template": stateful}},
    )  # fmt: skip
    kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    kubectl("rollout", "status", "statefulset/state", "--timeout=120s")
    # kube-proxy on a proxy writes its first rules half a minute after its start.
    wait(lambda: answers(NODE_PORT_URL), 60)


@pytest.fixture
def load(figures):
    """Write, read and watch during a test, and check that no acknowledged write is lost, no request fails, and the watch misses nothing."""
    running = Load(lambda *asked: ask(*kubeconfig(), *asked), lambda path: stream(*kubeconfig(), path))
    sampled, members = skew(), Members()
    # The proxy is a single host that the update restarts nothing on but kube-proxy and flannel.
    with ContinuousRequests(lambda: answers(NODE_PORT_URL)) as http:
        yield running
    lost, violations, (samples, down) = running.end(), sampled.end(), members.end()
    figures("Under load", **running.figures, acknowledged=len(running.acknowledged), lost=lost, http=http.summary)
    figures("Version skew", samples=sampled.samples, rate=sampled.rate, violations=violations)
    figures("Members of etcd", samples=samples, two_down=down)
    assert lost == [] and running.figures["failed"] == [] and running.figures["gaps"] == []
    assert violations == [] and sampled.samples > 50 and sampled.rate > SAMPLES_PER_SECOND
    assert down == [] and samples > 50
    assert running.figures["longest_without_an_answer"] < LONGEST_SECONDS
    assert http.summary["failed"] <= max(1, http.summary["requests"] // 1000)


def run(*options: str) -> Run:
    """Return a run that has ended well."""
    return succeed("update.yml", *options, seconds=RUN_SECONDS)


def seconds_until_routed() -> float:
    """Return how long all hosts need to route to a new lease of the overlay network, and remove it. A flanneld that lost its watch never does."""
    hosts, subnet = [name for name in ADDRESSES if not name.startswith("etcd")], "10.200.250.0"
    lease = {"PublicIP": "10.30.43.250", "BackendType": "vxlan", "BackendData": {"VNI": 1, "VtepMAC": "02:00:00:00:00:01"}}

    def routed() -> set[bool]:
        return {subnet in on(name, "ip", "route", "show", "dev", "flannel.1") for name in hosts}

    overlay.etcdctl("put", f"{overlay.SUBNETS}/{subnet}-24", json.dumps(lease))
    seconds = wait(lambda: routed() == {True}, 20)
    overlay.etcdctl("del", f"{overlay.SUBNETS}/{subnet}-24")
    wait(lambda: routed() == {False}, 20)
    return seconds


def finish(version: str, *options: str) -> dict[str, float]:
    """Let a run finish the update to a version, check that nothing is left to do, and return how long what took."""
    last = run(*options)
    assert at(version) and cordoned() == []
    wait(lambda: {node["status"]["nodeInfo"]["kubeletVersion"] for node in get("nodes")["items"]} == {f"v{version}"}, 30)
    assert "Nothing to update." in run(*options).text
    return {"last_seconds": last.seconds, "routed_seconds": seconds_until_routed()}


def test_site_refuses_the_other_version():
    refused = Run("site.yml", TO_NEW)
    assert refused.end() != 0 and "playbook update changes them" in " ".join(refused.text.split())
    assert at(OLD)


def test_check_mode_shows_the_plan_and_changes_nothing():
    done = run(TO_NEW, "--check")
    assert f"Update: kubernetes {OLD} to {NEW}" in done.text
    assert at(OLD)


def test_a_canary_that_fails_goes_back(figures):
    """A wrong flag of kubelet reaches no other worker."""
    before = versions()
    failed = Run("update.yml", "--extra-vars=update_configuration=true update_watch_time=0-30 update_canary_watch_time=0-30",
                 '--extra-vars={"worker_kubelet_flags": {"no-such-flag": "1"}}')  # fmt: skip
    assert failed.end(RUN_SECONDS) != 0
    assert re.search(r"update ends before worker-1: worker-0", failed.text), failed.text
    assert versions() == before and cordoned() == []
    for name in WORKERS:
        assert "no-such-flag" not in host(name).check_output("cat /etc/systemd/system/kubelet.service")
        assert host(name).check_output("systemctl is-active kubelet") == "active"
    run("--extra-vars=update_action=replan")
    figures("Failed canary", seconds=failed.seconds)


def test_a_minor_update_that_is_killed_twice(load, figures):
    chosen = random.Random(SEED).sample(["master-0", "worker-0", "worker-1", "etcd-2"], 2)
    killed = []
    for name in chosen:
        first = Run("update.yml", TO_NEW)
        first.kill_at(f"'{name}: host", "TASK [", seconds=RUN_SECONDS)
        killed.append((name, first.seconds))
    figures("Minor update", killed=killed, **finish(NEW, TO_NEW))


def test_pods_that_block_a_drain_are_named(figures):
    apply({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
           "spec": {"minAvailable": 3, "selector": {"matchLabels": SELECTOR}}})  # fmt: skip
    blocked = Run("update.yml", TO_NEW, "--extra-vars=update_configuration=true update_drain=always update_drain_timeout=10 update_watch_time=0-60")
    assert blocked.end(RUN_SECONDS) != 0
    assert "The disruption budget web" in blocked.text, blocked.text
    assert cordoned() == []
    kubectl("delete", "poddisruptionbudget", "web")
    figures("Blocked drain", seconds=blocked.seconds)
    # Long enough for the pods of the cluster itself to be ready elsewhere.
    run(TO_NEW, "--extra-vars=update_configuration=true update_drain=always update_watch_time=0-60")


def test_roll_back(load, figures):
    back = run(TO_NEW, "--extra-vars=update_action=rollback")
    assert at(OLD) and cordoned() == []
    figures("Roll back", seconds=back.seconds)
    succeed("site.yml")
    assert json.loads(kubectl("version", "--output=json"))["serverVersion"]["gitVersion"] == f"v{OLD}"


def test_a_minor_update_that_nothing_disturbs(figures):
    figures("Undisturbed update", seconds=run(TO_NEW).seconds)
    assert at(NEW) and cordoned() == []


def containers() -> set[str]:
    """Return the containers of the workload."""
    pods = get("pods", "--selector=app in (web, state)")["items"]
    return {status["containerID"] for pod in pods for status in pod["status"]["containerStatuses"]}


@pytest.mark.chain
@pytest.mark.parametrize(("wanted", "version", "kills"), CHAIN)
def test_a_chain_of_updates_killed_at_random_moments(wanted, version, kills, load, figures):
    to_wanted, before = f"--extra-vars=cluster_kubernetes_version={wanted}", containers()
    killed = kill_updates(kills, f"{SEED} {wanted}", to_wanted, seconds=RUN_SECONDS)
    half = versions()
    # Hosts keep what they have reached. The last run may have been killed after its last batch, when the cluster has the new versions.
    meanwhile = succeed("site.yml", "--extra-vars=preflight_versions=recorded")
    assert versions() == half, meanwhile.text
    figures(f"Update to {version}", killed=killed, **finish(version, to_wanted))
    assert len(killed) == kills
    assert version != "1.37.2" or containers() == before  # a patch restarts no container
    again = succeed("site.yml", to_wanted)
    assert changes(again.text) == {}, again.text

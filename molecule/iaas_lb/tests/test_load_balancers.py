# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The endpoints of the API and of a workload behind load balancers, with all hosts and with dead ones."""

from __future__ import annotations

import csv
import pathlib
import time

import pytest
import yaml
from playbook import Run
from scenario import CLUSTER, DIRECTORY, ContinuousRequests, answers, api_answers, apply, host, killed, kubectl, on, run, wait, web

SCENARIO = pathlib.Path(__file__).parents[1]
API, WORKLOAD = "https://10.30.5.5:8443", "http://10.30.5.6:8080/hostname"


def healthy(balancer: str) -> set[str]:
    """Return the hosts that a load balancer sends requests to."""
    command = "echo show stat | socat stdio /run/haproxy.sock"
    table = on(f"lb-{balancer}", "sh", "-c", command).removeprefix("# ")
    servers = [row for row in csv.DictReader(table.splitlines()) if row["svname"] not in ("BACKEND", "FRONTEND")]
    # "UP 1/2" is a host that failed one check; after another one it is down.
    return {row["svname"] for row in servers if row["status"].startswith("UP")}


@pytest.fixture(scope="module")
def workload():
    """Run a pod on every worker, behind the node port of the workers' load balancer."""
    apply(*web("front", [30080], {}, externalTrafficPolicy="Local"))
    kubectl("rollout", "status", "daemonset/front", "--timeout=60s")
    yield
    kubectl("delete", "service/front", "daemonset/front")


def test_the_static_address_is_the_endpoint_of_users_and_workers():
    assert kubectl("config", "view", "--minify", "--output", "jsonpath={.clusters[0].cluster.server}") == API
    for program in ("kubelet", "kube-proxy"):
        config = yaml.safe_load(host("worker-0").file(f"/etc/kubernetes/{program}.kubeconfig").content_string)
        assert config["clusters"][0]["cluster"]["server"] == API
    config = yaml.safe_load(host("master-0").file("/etc/kubernetes/kube-scheduler.kubeconfig").content_string)
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:8443"


def test_certificates_of_masters_have_the_new_and_the_former_endpoint():
    for name in ("master-0", "master-1"):
        names = host(name).check_output("openssl x509 -in /etc/kubernetes/pki/kube-apiserver.crt -noout -ext subjectAltName")
        assert "IP Address:10.30.5.5" in names and "IP Address:10.30.5.91" in names


def test_load_balancers_have_every_host():
    assert healthy("masters") == {"master-0", "master-1"}
    assert healthy("workers") == {"worker-0", "worker-1"}


def test_a_load_balancer_is_repaired_and_keeps_its_address(figures):
    run("podman", "rm", "--force", "--time", "0", f"{CLUSTER}-lb-masters")
    run("podman", "volume", "rm", f"{CLUSTER}-lb-masters")
    variables = [f"--extra-vars={pair}" for pair in (f"iaas_directory={DIRECTORY}", "iaas_owner=molecule", f"@{SCENARIO}/cluster.yml")]
    repair = Run("repair.yml", *variables)
    assert repair.end() == 0, repair.text
    figures("a load balancer is repaired", seconds=repair.seconds)
    wait(lambda: healthy("masters") == {"master-0", "master-1"}, 20)
    assert api_answers()


def test_the_api_survives_a_killed_master(figures):
    with ContinuousRequests(api_answers) as requests:
        time.sleep(3)  # requests with both
        with killed("master-0"):
            withdrawn = wait(lambda: healthy("masters") == {"master-1"}, 20)
            time.sleep(5)  # requests without the dead one
        back = wait(lambda: healthy("masters") == {"master-0", "master-1"}, 60)
        time.sleep(3)  # requests with both again
    seen = requests.summary
    figures("a master is killed and comes back", **seen, withdrawn_after=withdrawn, back_after=back)
    assert seen["requests"] > 30
    assert seen["longest_outage"] <= 5


def test_a_workload_survives_a_killed_worker(workload, figures):
    def ask() -> bool:
        return answers(WORKLOAD)

    wait(ask, 20)
    assert all(ask() for _request in range(20))
    with ContinuousRequests(ask) as requests, killed("worker-1"):
        withdrawn = wait(lambda: healthy("workers") == {"worker-0"}, 20)
        afterwards = [ask() for _request in range(50)]
    seen = requests.summary
    figures("a worker is killed", **seen, withdrawn_after=withdrawn, failed_afterwards=afterwards.count(False))
    assert all(afterwards)
    assert seen["longest_outage"] <= 5
    wait(lambda: healthy("workers") == {"worker-0", "worker-1"}, 60)

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Role iaas with provider aws and the real modules, against moto's server, which simulates the API of AWS."""

from __future__ import annotations

import collections
import hashlib
import http.server
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time

import boto3
import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
CLUSTER = "aws-test"
REGION = "eu-central-1"
OTHERS = f"{CLUSTER}-9000"  # has a name like ours and the tag of another cluster
KUBECTL = b"#!/bin/sh\n"
GROUPS = {"master": 2, "worker": 2, "etcd": 1}
LISTENERS = [{"name": "smoke", "port": 8080, "node_port": 30080}, {"name": "https", "port": 443, "node_port": 30443}]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Run an empty AWS, and return the environment variables that lead to it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("wb") as stream:
        command = [sys.executable, str(pathlib.Path(__file__).with_name("moto_server.py")), "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
    variables = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    try:
        for _attempt in range(300):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
        yield variables
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def clients(environment):
    """Return a function that returns the client of a service."""
    arguments = {
        "endpoint_url": environment["AWS_ENDPOINT_URL"], "region_name": REGION,
        "aws_access_key_id": "testing", "aws_secret_access_key": "testing",
    }  # fmt: skip
    return lambda service: boto3.client(service, **arguments)


@pytest.fixture(scope="module")
def mirror():
    """Run an artifact mirror that has kubectl, and return its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(KUBECTL)

        def log_message(self, *_arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def variables(clients, mirror, tmp_path_factory):
    """Return the variables of a cluster on AWS."""
    ec2 = clients("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.30.0.0/16")["Vpc"]["VpcId"]
    # Resources that do not belong to the cluster.
    ec2.allocate_address(Domain="vpc")
    tags = [{"Key": "cfcr.cluster", "Value": "another"}]
    clients("elbv2").create_target_group(Name=OTHERS, Protocol="TCP", Port=80, VpcId=vpc, Tags=tags)
    checksum = hashlib.sha256(KUBECTL).hexdigest()
    return {
        "cluster_name": CLUSTER,
        "cluster_topology": "iaas_lb",
        "iaas_provider": "aws",
        "iaas_groups": GROUPS,
        "iaas_subnet": "10.30.7.0/24",
        "iaas_worker_listeners": LISTENERS,
        "iaas_directory": str(tmp_path_factory.mktemp("cluster")),
        "iaas_aws_vpc_id": vpc,
        "iaas_aws_image_id": ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"],
        "iaas_aws_client_networks": ["198.51.100.0/24"],
        "iaas_inventory_vars": {
            "cluster_artifact_source": "mirror",
            "cluster_artifact_mirror": mirror,
            "cluster_artifact_checksums": {f"kubectl/{version()}/{name}/kubectl": checksum for name in ("amd64", "arm64")},
        },
    }


def version() -> str:
    """Return the version of kubectl in the catalog."""
    minor = yaml.safe_load((ROOT / "roles/cluster/defaults/main.yml").read_text())["cluster_kubernetes_version"]
    return yaml.safe_load((ROOT / f"catalog/{minor}.yml").read_text())["versions"]["kubernetes"]


@pytest.fixture(scope="module")
def role(environment, variables, tmp_path_factory):
    """Return a function that runs the role, and returns the number of changed tasks."""
    directory = tmp_path_factory.mktemp("play")
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "roles": ["cfcr.kubernetes.iaas"]}

    def run(*, tasks: list | None = None, **others) -> int:
        (directory / "play.yml").write_text(json.dumps([{**play, "roles": [], "tasks": tasks} if tasks else play]))
        (directory / "variables.json").write_text(json.dumps({**variables, **others}))
        command = ["ansible-playbook", "-i", "localhost,", "-e", f"@{directory}/variables.json", f"{directory}/play.yml"]
        # Only the Python of the tests has boto3, which the modules import.
        options = ["-e", f"ansible_python_interpreter={sys.executable}"]
        result = subprocess.run([*command, *options], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        return int(re.search(r"localhost .*changed=(\d+)", result.stdout)[1])

    return run


def counts(clients) -> dict[str, int]:
    """Return the number of resources of each kind that the role creates."""
    ec2, elb = clients("ec2"), clients("elbv2")
    own = [{"Name": "tag:cfcr.cluster", "Values": [CLUSTER]}]
    living = [*own, {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
    return {
        "subnets": len(ec2.describe_subnets(Filters=own)["Subnets"]),
        "security groups": len(ec2.describe_security_groups(Filters=own)["SecurityGroups"]),
        "addresses": len(own_addresses(clients)),
        "keys": len(ec2.describe_key_pairs()["KeyPairs"]),
        "hosts": sum(len(reservation["Instances"]) for reservation in ec2.describe_instances(Filters=living)["Reservations"]),
        "load balancers": len(elb.describe_load_balancers()["LoadBalancers"]),
        "target groups": sum(group["TargetGroupName"] != OTHERS for group in elb.describe_target_groups()["TargetGroups"]),
    }


def own_addresses(clients) -> list[dict]:
    """Return the static addresses of the cluster."""
    return clients("ec2").describe_addresses(Filters=[{"Name": "tag:cfcr.cluster", "Values": [CLUSTER]}])["Addresses"]


COMPLETE = {"subnets": 1, "security groups": 3, "addresses": 2, "keys": 1, "hosts": 5, "load balancers": 2, "target groups": 3}


def test_present_creates_everything_once(role, clients):
    assert role() > 0
    assert counts(clients) == COMPLETE
    assert role() == 0
    assert counts(clients) == COMPLETE


def test_hosts_have_their_addresses_and_groups(clients):
    reservations = clients("ec2").describe_instances()["Reservations"]
    hosts = [instance for reservation in reservations for instance in reservation["Instances"]]
    assert sorted(host["PrivateIpAddress"] for host in hosts) == [f"10.30.7.{number}" for number in (11, 12, 21, 22, 61)]
    for host in hosts:
        tags = {tag["Key"]: tag["Value"] for tag in host["Tags"]}
        assert [group["GroupName"] for group in host["SecurityGroups"]] == [f"{CLUSTER}-{tags['cfcr.group']}"]
        assert tags["Name"].startswith(f"{CLUSTER}-{tags['cfcr.group']}-")


def test_security_groups_allow_required_traffic_only(clients):
    groups = clients("ec2").describe_security_groups(Filters=[{"Name": "tag:cfcr.cluster", "Values": [CLUSTER]}])["SecurityGroups"]
    names = {group["GroupId"]: group["GroupName"].removeprefix(f"{CLUSTER}-") for group in groups}
    found = collections.defaultdict(set)
    for group in groups:
        for rule in group["IpPermissions"]:
            sources = [names[pair["GroupId"]] for pair in rule["UserIdGroupPairs"]] + [network["CidrIp"] for network in rule["IpRanges"]]
            ports = (rule["IpProtocol"], rule["FromPort"], rule["ToPort"])
            found[names[group["GroupId"]]] |= {(*ports, source) for source in sources}
    subnet, clients_network = "10.30.7.0/24", "198.51.100.0/24"
    ssh = ("tcp", 22, 22, clients_network)
    overlay = {("udp", 8472, 8472, "master"), ("udp", 8472, 8472, "worker")}
    assert found == {
        "etcd": {ssh, *(("tcp", 2379, 2379, client) for client in ("etcd", "master", "worker")), ("tcp", 2380, 2380, "etcd")},
        "master": {ssh, *overlay, *(("tcp", 8443, 8443, client) for client in ("etcd", "master", "worker", clients_network, subnet))},
        "worker": {
            ssh, *overlay, *(("tcp", 10250, 10250, client) for client in ("etcd", "master", "worker")),
            *(("tcp", port, port, subnet) for port in (10256, 30080, 30443)),
        },
    }  # fmt: skip


def test_load_balancers_have_static_addresses_and_every_host(clients):
    elb = clients("elbv2")
    targets = {group["TargetGroupName"]: group for group in elb.describe_target_groups()["TargetGroups"] if group["TargetGroupName"] != OTHERS}

    def members(group: dict) -> list[tuple[str, int]]:
        found = [description["Target"] for description in elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]]
        return sorted((target["Id"], target["Port"]) for target in found)

    assert {name: members(group) for name, group in targets.items()} == {
        f"{CLUSTER}-8443": [("10.30.7.11", 8443), ("10.30.7.12", 8443)],
        f"{CLUSTER}-30080": [("10.30.7.21", 30080), ("10.30.7.22", 30080)],
        f"{CLUSTER}-30443": [("10.30.7.21", 30443), ("10.30.7.22", 30443)],
    }
    api = targets[f"{CLUSTER}-8443"]
    assert (api["HealthCheckProtocol"], api["HealthCheckPort"], api["HealthCheckPath"]) == ("HTTPS", "8443", "/readyz")
    static = {tag["Value"]: address["AllocationId"] for address in own_addresses(clients) for tag in address["Tags"]}
    ports = {}
    for balancer in elb.describe_load_balancers()["LoadBalancers"]:
        assert balancer["Type"] == "network"
        assert balancer["AvailabilityZones"][0]["LoadBalancerAddresses"][0]["AllocationId"] == static[balancer["LoadBalancerName"]]
        listeners = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        ports[balancer["LoadBalancerName"]] = {(listener["Protocol"], listener["Port"]) for listener in listeners}
    assert ports == {f"{CLUSTER}-masters": {("TCP", 8443)}, f"{CLUSTER}-workers": {("TCP", 8080), ("TCP", 443)}}


def test_inventory_has_the_endpoint_and_the_hosts(variables, clients):
    inventory = yaml.safe_load((pathlib.Path(variables["iaas_directory"]) / "inventory.yml").read_text())["all"]
    addresses = {
        next(tag["Value"] for tag in address["Tags"] if tag["Key"] == "Name"): address["PublicIp"]
        for address in own_addresses(clients)
    }
    assert inventory["vars"]["cluster_topology"] == "iaas_lb"
    assert inventory["vars"]["cluster_api_host"] == addresses[f"{CLUSTER}-masters"]
    assert inventory["vars"]["smoke_tests_front"] == {"host": addresses[f"{CLUSTER}-workers"], "port": 8080, "node_port": 30080}
    assert {group: len(hosts["hosts"]) for group, hosts in inventory["children"].items() if hosts["hosts"]} == GROUPS
    host = inventory["children"]["master"]["hosts"]["master-0"]
    assert host["cluster_host_address"] == "10.30.7.11" and host["ansible_become"] is True and host["ansible_host"] != "10.30.7.11"


def running_hosts(clients) -> dict[str, str]:
    """Return the IDs of running instances by name."""
    reservations = clients("ec2").describe_instances(Filters=[{"Name": "instance-state-name", "Values": ["running"]}])["Reservations"]
    hosts = [instance for reservation in reservations for instance in reservation["Instances"]]
    return {tag["Value"]: host["InstanceId"] for host in hosts for tag in host["Tags"] if tag["Key"] == "Name"}


def test_addresses_survive_replaced_load_balancers_and_hosts(role, clients):
    elb = clients("elbv2")
    hosts = running_hosts(clients)
    before = {address["PublicIp"] for address in own_addresses(clients)}
    (balancer,) = elb.describe_load_balancers(Names=[f"{CLUSTER}-masters"])["LoadBalancers"]
    elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])
    assert role(iaas_unresponsive=["worker-1"]) > 0
    assert counts(clients) == COMPLETE
    assert {name for name, identity in running_hosts(clients).items() if identity != hosts[name]} == {f"{CLUSTER}-worker-1"}
    assert {address["PublicIp"] for address in own_addresses(clients)} == before


def test_repair_is_told_which_hosts_exist_and_run(role, clients, tmp_path):
    ec2, hosts = clients("ec2"), running_hosts(clients)
    ec2.stop_instances(InstanceIds=[hosts[f"{CLUSTER}-worker-0"]])
    ec2.terminate_instances(InstanceIds=[hosts[f"{CLUSTER}-worker-1"]])
    states = {"ansible.builtin.include_role": {"name": "cfcr.kubernetes.iaas", "tasks_from": "states.yml"}}
    save = {"ansible.builtin.copy": {"content": "{{ iaas_states | to_json }}", "dest": f"{tmp_path}/states", "mode": "0600"}}
    role(tasks=[states, save])
    expected = {"master-0": "running", "master-1": "running", "worker-0": "stopped", "worker-1": "absent", "etcd-0": "running"}
    assert json.loads((tmp_path / "states").read_text()) == expected
    role()  # creates one and starts the other
    assert counts(clients) == COMPLETE


def test_a_listener_can_change_its_target_group(role, clients):
    elb = clients("elbv2")
    role(iaas_worker_listeners=[{**LISTENERS[0], "node_port": 30081}])
    (balancer,) = elb.describe_load_balancers(Names=[f"{CLUSTER}-workers"])["LoadBalancers"]
    (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    groups = {group["TargetGroupArn"]: group["TargetGroupName"] for group in elb.describe_target_groups()["TargetGroups"]}
    assert groups[listener["DefaultActions"][0]["TargetGroupArn"]] == f"{CLUSTER}-30081"
    assert set(groups.values()) == {f"{CLUSTER}-8443", f"{CLUSTER}-30081", OTHERS}


def test_hosts_and_listeners_that_are_no_longer_listed_are_removed(role, clients):
    role(iaas_groups={**GROUPS, "worker": 1}, iaas_worker_listeners=[])
    assert counts(clients) == {**COMPLETE, "hosts": 4, "load balancers": 1, "target groups": 1}


def test_absent_removes_all_of_the_cluster_and_nothing_else(role, clients):
    assert role(iaas_state="absent") > 0
    assert set(counts(clients).values()) == {0}
    assert len(clients("ec2").describe_addresses()["Addresses"]) == 1
    assert [group["TargetGroupName"] for group in clients("elbv2").describe_target_groups()["TargetGroups"]] == [OTHERS]
    assert role(iaas_state="absent") == 0

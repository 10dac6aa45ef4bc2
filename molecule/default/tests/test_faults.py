# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mistakes of operators, and hosts as they are in the world, on a running cluster."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess

import pytest
import yaml
from playbook import Run, changes
from scenario import DIRECTORY, ROOT, VERSION, get

testinfra_hosts = ["ansible://worker-1?force_ansible=False"]

SERVICES = json.dumps({"cluster_service_cidr": "10.101.200.0/24", "cluster_dns_address": "10.101.200.10"})
OTHER_VERSION = "--extra-vars=cluster_kubernetes_version=1.35"
OTHER_VERSIONS = (
    r"cluster_kubernetes_version: +found 1\.35, which has kubernetes 1\.35\.4, etcd .*, "
    rf"expected the versions of the cluster, kubernetes {VERSION},"
)
OTHER_ADDRESS = {"all": {"hosts": {"worker-1": {"cluster_host_address": "203.0.113.21"}}}}


def inventory() -> dict:
    return yaml.safe_load((DIRECTORY / "inventory.yml").read_text())


def test_default_settings_of_ansible_give_no_warning(tmp_path):
    """As an operator runs the installed collection, in a directory without ansible.cfg."""
    (tmp_path / "ansible.cfg").write_text("")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment |= {"ANSIBLE_CONFIG": "ansible.cfg", "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")}
    for playbook in ("site", "health"):
        command = ["ansible-playbook", f"--inventory={DIRECTORY}/inventory.yml", f"cfcr.kubernetes.{playbook}"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        output = done.stdout + done.stderr
        assert done.returncode == 0 and changes(output) == {}, output
        assert not re.findall(r".*(?:WARNING|DEPRECATION).*", output)


@pytest.mark.parametrize(
    ("option", "found"),
    [
        ("--extra-vars=cluster_pod_cidr=10.201.0.0/16", "cluster_pod_cidr: +found 10.201.0.0/16, but the cluster has 10.200.0.0/16, expected"),
        (f"--extra-vars={SERVICES}", "cluster_service_cidr: +found 10.101.200.0/24, but the cluster has 10.100.200.0/24, expected"),
        (OTHER_VERSION, OTHER_VERSIONS),
        ("--tags=etcd", "--tags: found etcd, expected no tags"),
    ],
)
def test_mistakes_are_refused_before_anything_is_changed(option, found):
    run = Run("site.yml", option)
    assert run.end() != 0
    assert re.search(found, run.text) and changes(run.text) == {}, run.text


def test_a_cluster_without_a_record_has_the_versions_of_its_hosts(tmp_path):
    record = pathlib.Path(inventory()["all"]["vars"]["cluster_store_directory"]).expanduser() / "credentials/versions.json"
    content = json.loads(record.read_text())
    record.rename(tmp_path / "versions.json")
    try:
        refused = Run("site.yml", OTHER_VERSION)
        assert refused.end() != 0
        assert re.search(OTHER_VERSIONS, refused.text) and changes(refused.text) == {}, refused.text
        assert not record.exists()
        adopted = Run("site.yml")
        assert adopted.end() == 0, adopted.text
        assert json.loads(record.read_text())["versions"][0]["public"] == content["versions"][-1]["public"]
    finally:
        (tmp_path / "versions.json").rename(record)


def test_an_address_that_the_host_does_not_have_is_refused(tmp_path):
    (tmp_path / "other.yml").write_text(json.dumps(OTHER_ADDRESS))
    run = Run("site.yml", f"--inventory={tmp_path}/other.yml", "--limit=worker-1")
    assert run.end() != 0
    address = inventory()["all"]["children"]["worker"]["hosts"]["worker-1"]["ansible_host"]
    expected = f"found cluster_host_address 203.0.113.21 on none of its interfaces, expected one of its addresses, {address};"
    assert expected in run.text and changes(run.text) == {}, run.text


def test_members_and_nodes_that_the_inventory_does_not_have_are_named(tmp_path):
    hosts = inventory()
    children = hosts["all"]["children"]
    removed = {name: children[group]["hosts"].pop(name)["ansible_host"] for group, name in (("etcd", "etcd-1"), ("etcd", "etcd-2"), ("worker", "worker-2"))}
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump(hosts))
    health = Run("health.yml", inventory=tmp_path / "inventory.yml")
    assert health.end() != 0
    for name in ("etcd-1", "etcd-2"):
        assert re.search(rf"warning +member +{name} \({removed[name]}\): found a member of etcd that the inventory does not have, says etcd-0", health.text)
    assert re.search(rf"warning +node +{removed['worker-2']}: found a Node that the inventory does not have", health.text), health.text
    site = Run("site.yml", inventory=tmp_path / "inventory.yml")
    assert site.end() != 0
    assert re.search(r"group etcd: +found etcd members that it does not have: ", site.text) and changes(site.text) == {}, site.text
    assert all(f"{name} ({removed[name]})" in site.text for name in ("etcd-1", "etcd-2")), site.text


def test_a_client_with_a_node_port_is_no_conflict(host):
    """Its port is one that the kernel chose, before the role reserved the range."""
    assert host.check_output("sysctl --values net.ipv4.ip_local_reserved_ports") == "30000-32767"
    before = host.check_output("sysctl --values net.ipv4.ip_local_port_range").split()
    client = "import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('0.0.0.0', 31234)); time.sleep(120)"
    host.check_output("sysctl --write net.ipv4.ip_local_port_range='1024 65535'")
    host.check_output(f'systemd-run --unit=client python3 -c "{client}"')
    try:
        run = Run("site.yml", "--limit=worker-1")
        assert run.end() == 0 and changes(run.text) == {}, run.text
        # No client gets a reserved port.
        ask = "import socket\nfor number in range(3000):\n s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1]); s.close()"
        assert not {port for port in map(int, host.check_output(f'python3 -c "{ask}"').split()) if 30000 <= port <= 32767}
    finally:
        host.run("systemctl stop client")
        host.check_output(f"sysctl --write net.ipv4.ip_local_port_range='{' '.join(before)}'")


def test_kubelet_keeps_resources_free_of_pods(host):
    configuration = yaml.safe_load(host.file("/etc/kubernetes/kubelet.yaml").content_string)
    processors = int(host.check_output("nproc --all"))
    assert configuration["kubeReserved"]["cpu"] == f"{60 + 10 * (processors > 1) + 5 * min(2, max(0, processors - 2)) + 2.5 * max(0, processors - 4):.0f}m"
    assert configuration["evictionHard"]["memory.available"] == "100Mi"
    for status in (node["status"] for node in get("nodes")["items"]):
        kept = [int(re.sub(r"\D", "", status[part]["memory"])) for part in ("capacity", "allocatable")]
        assert kept[0] - kept[1] > 250 * 1024
        assert status["allocatable"]["cpu"] != status["capacity"]["cpu"]


def test_the_host_shuts_down_only_after_kubelet_has_ended_pods(host):
    assert re.search(r"^kubelet .* shutdown .* delay$", host.check_output("systemd-inhibit --list --no-legend"), re.MULTILINE)


def test_etcd_is_defragmented_only_if_there_is_free_space():
    run = Run("etcd_defragment.yml")
    assert run.end() == 0 and changes(run.text) == {}, run.text

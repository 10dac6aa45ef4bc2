# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An air gap: everything comes from the bundle, and no packet goes elsewhere."""

from __future__ import annotations

import concurrent.futures
import ipaddress
import json
import os
import pathlib
import re
import shutil
import subprocess
import time

import pytest
import yaml
from playbook import changes
from scenario import CLUSTER, DIRECTORY, ROOT, addresses, get, inventory, kubectl, on, run

NAMESPACE = "cfcr-bundle"  # of the controller, and the interface that leads to it
SUBNET = ipaddress.ip_network(yaml.safe_load((ROOT / "molecule/bundle/cluster.yml").read_text(encoding="utf-8"))["iaas_subnet"])
CONTROLLER = SUBNET[200]
# Of the cluster, before the update by a delta.
MINOR = os.environ.get("CFCR_UPDATE_FROM", "1.36")
RELEASE = os.environ.get("CFCR_DEBIAN") or "bookworm"
PACKAGES = yaml.safe_load((ROOT / "roles/bundle/vars/main.yml").read_text(encoding="utf-8"))["__bundle_packages"]
# The image of local hosts needs it to have an address.
PRESUPPOSED = {"iproute2", "mount"}
OUTPUT, UNPACKED = DIRECTORY / "bundles", DIRECTORY / "unpacked"
# Networks inside the gap: the hosts', the pods', the Services', loopback and multicast.
GAP = [str(SUBNET), "10.200.0.0/16", "10.100.200.0/24", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255"]
# The networks of the link, which lead nowhere else.
GAP_6 = ["::1", "fe80::/10", "ff00::/8"]
# This machine, which has the way out and asks the hosts for results.
GATEWAY = f"-d {SUBNET[1]} -m conntrack --ctstate NEW"


def rules(*dropped: str, inside: list[str]) -> str:
    """Return rules that drop and count packets out of the gap. They see packets of pods as well, and roles do not know this chain."""
    lines = [*(f"{match} -j DROP" for match in dropped), *(f"-d {network} -j RETURN" for network in inside), "-j DROP"]
    return "\n".join(["*mangle", ":airgap - [0:0]", "-A POSTROUTING -j airgap", *(f"-A airgap {line}" for line in lines), "COMMIT", ""])


def make(*options: str) -> dict:
    """Make a bundle from what the director has compiled, as `make bundle` does. Return its lock."""
    tree = pathlib.Path(inventory()["vars"]["iaas_artifact_directory"]).expanduser()
    variables = {"bundle_directory": str(OUTPUT), "bundle_tree": str(tree), "bundle_distributions": [RELEASE], "cluster_artifact_source": "build"}
    begin = time.monotonic()
    printed = run("ansible-playbook", "--inventory=localhost,", f"--extra-vars={json.dumps(variables)}", *options, "playbooks/bundle.yml", cwd=ROOT)
    name = re.search(r"([^/ ']+)\.tar\.gz", printed)[1]
    return {"name": name, "seconds": round(time.monotonic() - begin), "mb": round((OUTPUT / f"{name}.tar.gz").stat().st_size / 1e6)}


def unpack(name: str) -> None:
    UNPACKED.mkdir(exist_ok=True)
    run("tar", "--extract", "--gzip", "--file", OUTPUT / f"{name}.tar.gz", "--directory", UNPACKED)


def play(playbook: str, *options: str, succeeds: bool = True) -> str:
    """Run a playbook on the controller behind the gap, and return its output."""
    variables = {
        "cluster_artifact_source": "bundle", "cluster_artifact_mirror": "", "cluster_artifact_checksums": {}, "cluster_bundle": str(UNPACKED),
        "cluster_bundle_signers": [(OUTPUT / "signing_key.pub").read_text(encoding="utf-8").strip()],
    }  # fmt: skip
    command = ["ip", "netns", "exec", NAMESPACE, "ansible-playbook", f"--inventory={DIRECTORY / 'inventory.yml'}", f"--extra-vars={json.dumps(variables)}"]
    # SSH connections of other runs are outside of the namespace.
    environment = {**os.environ, "ANSIBLE_SSH_CONTROL_PATH_DIR": str(DIRECTORY / "cp")}
    done = subprocess.run([*command, *options, f"playbooks/{playbook}"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == succeeds, done.stdout + done.stderr
    return done.stdout


def in_network_of(name: str, *command: str, **options: object) -> str:
    pid = run("podman", "inspect", "--format", "{{.State.Pid}}", f"{CLUSTER}-{name}").strip()
    return run("nsenter", f"--target={pid}", "--net", *command, **options)


def close(name: str) -> None:
    """Take a host's packages, name servers and ways out."""
    installed = on(name, "dpkg-query", "--show", "--showformat=${Package}\n").split()
    on(name, "apt-get", "purge", "--yes", "--quiet", "--autoremove", *sorted(set(PACKAGES).intersection(installed) - PRESUPPOSED))
    on(name, "tee", "/etc/resolv.conf", input="")
    # The programs of this machine work in the hosts' networks.
    in_network_of(name, "iptables-restore", "--noflush", input=rules(GATEWAY, inside=GAP))
    in_network_of(name, "ip6tables-restore", "--noflush", input=rules(inside=GAP_6))


def packets_to_elsewhere() -> dict[str, int]:
    """Return how many packets each host tried to send out of the gap."""
    counted = {}
    for name in addresses():
        saved = [in_network_of(name, program, "--counters", "--table", "mangle") for program in ("iptables-save", "ip6tables-save")]
        found = [re.findall(r"^\[(\d+):\d+\] -A airgap .*-j DROP$", text, re.MULTILINE) for text in saved]
        assert [len(packets) for packets in found] == [2, 1], saved  # a host that was rebuilt has no rules
        counted[name] = sum(int(packets) for family in found for packets in family)
    return counted


@pytest.fixture(scope="module", autouse=True)
def gap():
    """Put the controller into a namespace on the hosts' network that has no route to elsewhere and no name server, and close the hosts."""
    bridge = json.loads(run("podman", "network", "inspect", CLUSTER))[0]["network_interface"]
    resolver = pathlib.Path("/etc/netns", NAMESPACE)
    # The namespace of an interrupted test, which SSH connections may still keep alive together with its interface.
    for kind in ("netns", "link"):
        subprocess.run(["ip", kind, "delete", NAMESPACE], capture_output=True, check=False)
    run("ip", "netns", "add", NAMESPACE)
    resolver.mkdir(parents=True, exist_ok=True)
    (resolver / "resolv.conf").write_text("", encoding="utf-8")
    try:
        run("ip", "link", "add", NAMESPACE, "type", "veth", "peer", "name", "eth0", "netns", NAMESPACE)
        run("ip", "link", "set", NAMESPACE, "master", bridge, "up")
        for command in (["address", "add", f"{CONTROLLER}/{SUBNET.prefixlen}", "dev", "eth0"], ["link", "set", "eth0", "up"], ["link", "set", "lo", "up"]):
            run("ip", "-n", NAMESPACE, *command)
        run("podman", "stop", "--time=1", f"{CLUSTER}-mirror")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(close, addresses()))
        yield
    finally:
        run("ip", "netns", "delete", NAMESPACE)
        run("ip", "link", "delete", NAMESPACE)
        shutil.rmtree(resolver)


@pytest.fixture(scope="module")
def bundle(gap):
    shutil.rmtree(UNPACKED, ignore_errors=True)
    made = make(f"--extra-vars={{bundle_versions: ['{MINOR}']}}")
    unpack(made["name"])
    return made


@pytest.fixture(scope="module")
def cluster(bundle):
    begin = time.monotonic()
    play("site.yml")
    return round(time.monotonic() - begin)


def test_a_damaged_bundle_is_refused_before_a_host_is_touched(bundle):
    path = next((UNPACKED / "mirror/runc").rglob("runc.*")).resolve()
    content = path.read_bytes()
    path.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    try:
        printed = play("site.yml", succeeds=False)
    finally:
        path.write_bytes(content)
    assert re.search(r"cluster_bundle, runc/\S+: found [0-9a-f]{64}, expected the content with SHA-256", printed)
    assert "Take the cluster lock" not in printed and not changes(printed)


def test_a_bundle_for_another_architecture_is_refused(bundle):
    lock, signature = UNPACKED / "bundle.json", UNPACKED / "bundle.json.sig"
    before = lock.read_bytes(), signature.read_bytes()
    lock.write_bytes(before[0].replace(b'"architectures": [\n  "amd64"', b'"architectures": [\n  "arm64"'))
    signature.unlink()
    run("ssh-keygen", "-Y", "sign", "-q", "-f", OUTPUT / "signing_key", "-n", "cfcr-bundle", lock)
    try:
        printed = play("site.yml", succeeds=False)
    finally:
        lock.write_bytes(before[0])
        signature.write_bytes(before[1])
    assert re.search(r"cluster_bundle: found \S+ for arm64, expected one for amd64", " ".join(printed.split()))
    assert on("worker-0", "ls", "/var/cache").split().count("cfcr") == 0


def test_a_cluster_from_the_bundle(cluster, bundle, figures):
    assert len(get("nodes")["items"]) == 3
    kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s")
    kubectl("rollout", "status", "--namespace=kube-system", "deployment/coredns", "--timeout=120s")
    for name in addresses():
        assert "[trusted=yes] file:/var/cache/cfcr/bundle" in on(name, "cat", "/etc/apt/sources.list.d/cfcr-bundle.list")
    figures("bundle", **bundle, install_seconds=cluster)


def test_no_packet_goes_elsewhere(cluster):
    assert set(packets_to_elsewhere().values()) == {0}


def test_a_second_run_changes_nothing(cluster):
    assert changes(play("site.yml")) == {}


def test_a_replaced_host_gets_everything_from_the_bundle(cluster, figures):
    run("podman", "rm", "--force", "--volumes", f"{CLUSTER}-worker-1")
    run("ansible-playbook", f"--inventory={DIRECTORY / 'inventory.yml'}", "playbooks/provision.yml", cwd=ROOT)
    run("podman", "stop", "--time=1", f"{CLUSTER}-mirror")
    close("worker-1")
    begin = time.monotonic()
    play("site.yml")
    figures("replaced host", seconds=round(time.monotonic() - begin))
    kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s")
    assert set(packets_to_elsewhere().values()) == {0}


def test_a_delta_has_only_what_is_new(cluster, bundle, figures):
    """A package, or with CFCR_UPDATE_FROM a minor, to which the cluster is updated."""
    versions = list(dict.fromkeys([MINOR, "1.36"]))
    delta = make(f"--extra-vars={{bundle_versions: {versions}, bundle_packages: [tree]}}", f"--extra-vars=bundle_since={OUTPUT / bundle['name']}.json")
    unpack(delta["name"])
    begin = time.monotonic()
    play("site.yml" if MINOR == "1.36" else "update.yml", "--extra-vars=cluster_kubernetes_version=1.36")
    figures("delta", **delta, run_seconds=round(time.monotonic() - begin))
    assert delta["mb"] < bundle["mb"] / (20 if MINOR == "1.36" else 1.5)
    assert {node["status"]["nodeInfo"]["kubeletVersion"] for node in get("nodes")["items"]} == {"v1.36.3"}
    assert set(packets_to_elsewhere().values()) == {0}
    # Nothing is left of the former version.
    assert on("worker-0", "ls", "/var/cache/cfcr/bundle/kubelet").split() == ["1.36.3"]
    assert "/tree_" in on("worker-0", "find", "/var/cache/cfcr/bundle/packages")

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An air gap: everything comes from the bundle, the controller too, and no packet goes elsewhere.

With CFCR_UPDATE_FROM, an older minor, the cluster is also updated by a delta, repaired and restored, and compared with one from a mirror.
"""

from __future__ import annotations

import concurrent.futures
import ipaddress
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import time
import typing as t

import pytest
import yaml
from playbook import changes
from scenario import CLUSTER, DIRECTORY, MINOR, ROOT, VERSION, addresses, get, inventory, kubectl, on, run

NAMESPACE = "cfcr-bundle"  # of the controller, and the interface that leads to it
SUBNET = ipaddress.ip_network(yaml.safe_load((ROOT / "molecule/bundle/cluster.yml").read_text(encoding="utf-8"))["iaas_subnet"])
CONTROLLER = SUBNET[200]
# Of the cluster, before the update by a delta.
FIRST = os.environ.get("CFCR_UPDATE_FROM", MINOR)
WHOLE = FIRST != MINOR
RELEASE = os.environ.get("CFCR_DEBIAN") or "bookworm"
MACHINE = platform.freedesktop_os_release()["VERSION_CODENAME"]
PACKAGES = yaml.safe_load((ROOT / "roles/bundle/vars/main.yml").read_text(encoding="utf-8"))["__bundle_packages"]
# The image of local hosts needs it to have an address.
PRESUPPOSED = {"iproute2", "mount"}
OUTPUT, UNPACKED, HOME = DIRECTORY / "bundles", DIRECTORY / "unpacked", DIRECTORY / "controller"
PASSPHRASE = "a passphrase of the tests"
# Networks inside the gap: the hosts', the pods', the Services', loopback and multicast.
GAP = [str(SUBNET), "10.200.0.0/16", "10.100.200.0/24", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255"]
# The networks of the link, which lead nowhere else.
GAP_6 = ["::1", "fe80::/10", "ff00::/8"]
# This machine, which has the way out, and asks the hosts for results: a host may answer it, also on an SSH connection that is older than these rules.
GATEWAY = [f"-d {SUBNET[1]} -p tcp --syn", f"-d {SUBNET[1]} ! -p tcp -m conntrack --ctstate NEW"]


def rules(*dropped: str, inside: list[str]) -> str:
    """Return rules that drop and count packets out of the gap. They see packets of pods as well, and roles do not know this chain."""
    lines = [*(f"{match} -j DROP" for match in dropped), *(f"-d {network} -j RETURN" for network in inside), "-j DROP"]
    return "\n".join(["*mangle", ":airgap - [0:0]", "-A POSTROUTING -j airgap", *(f"-A airgap {line}" for line in lines), "COMMIT", ""])


def variables_file(variables: dict[str, object]) -> pathlib.Path:
    """Write variables to a file that only its owner can read, since some are secret, and return it."""
    file = DIRECTORY / "variables.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(variables), encoding="utf-8")
    return file


def make(**variables: object) -> dict:
    """Make a bundle from what the director has compiled by `make bundle`. Return its name, size and time."""
    tree = pathlib.Path(inventory()["vars"]["iaas_artifact_directory"]).expanduser()
    variables |= {"bundle_directory": str(OUTPUT), "bundle_tree": str(tree), "cluster_artifact_source": "build"}
    # The controller has the Python of this machine.
    variables["bundle_distributions"] = sorted({RELEASE, MACHINE})
    begin = time.monotonic()
    printed = run("make", "bundle", f"BUNDLE=-e @{variables_file(variables)}", cwd=ROOT)
    name = re.search(r"([^/ ']+)\.tar\.gz", printed)[1]
    return {"name": name, "seconds": round(time.monotonic() - begin), "mb": round((OUTPUT / f"{name}.tar.gz").stat().st_size / 1e6)}


def unpack(name: str) -> None:
    UNPACKED.mkdir(exist_ok=True)
    run("tar", "--extract", "--gzip", "--file", OUTPUT / f"{name}.tar.gz", "--directory", UNPACKED)


def in_gap(*command: object) -> subprocess.CompletedProcess:
    """Run a command on the controller behind the gap."""
    words = ["ip", "netns", "exec", NAMESPACE, *map(str, command)]
    # SSH connections of other runs are outside of the namespace.
    environment = {
        **os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(HOME / "collections"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(DIRECTORY / "cp"),
    }  # fmt: skip
    return subprocess.run(words, cwd=DIRECTORY, env=environment, capture_output=True, text=True, check=False)


def install_controller() -> None:
    """Install Ansible and the collection from the bundle, as docs/airgap.md says."""
    shutil.rmtree(HOME, ignore_errors=True)
    mirror = UNPACKED / "mirror"
    (collection,) = (mirror / "collections").iterdir()
    wheels = ["--no-index", "--find-links", mirror / "wheels", "--require-hashes", "--requirement", mirror / "controller/requirements.txt"]
    for command in (
        ["/usr/bin/python3", "-I", "-m", "venv", HOME],
        [HOME / "bin/python3", "-I", "-m", "pip", "install", "--quiet", *wheels],
        [HOME / "bin/ansible-galaxy", "collection", "install", "--offline", "--collections-path", HOME / "collections", collection],
    ):
        done = in_gap(*command)
        assert done.returncode == 0, done.stdout + done.stderr


def play(playbook: str, succeeds: bool = True, **variables: object) -> str:
    """Run a playbook of the installed collection on the controller behind the gap, and return its output."""
    variables |= {
        "cluster_artifact_source": "bundle", "cluster_artifact_mirror": "", "cluster_artifact_checksums": {}, "cluster_bundle": str(UNPACKED),
        "cluster_bundle_signers": [(OUTPUT / "signing_key.pub").read_text(encoding="utf-8").strip()],
    }  # fmt: skip
    options = [f"--inventory={DIRECTORY / 'inventory.yml'}", f"--extra-vars=@{variables_file(variables)}"]
    done = in_gap(HOME / "bin/ansible-playbook", *options, f"cfcr.kubernetes.{playbook}")
    assert (done.returncode == 0) == succeeds, done.stdout + done.stderr
    return done.stdout


def in_network_of(name: str, *command: str, **options: object) -> str:
    pid = run("podman", "inspect", "--format", "{{.State.Pid}}", f"{CLUSTER}-{name}").strip()
    return run("nsenter", f"--target={pid}", "--net", *command, **options)


def purge(name: str) -> None:
    """Take a host's packages."""
    installed = on(name, "dpkg-query", "--show", "--showformat=${Package}\n").split()
    on(name, "apt-get", "purge", "--yes", "--quiet", "--autoremove", *sorted(set(PACKAGES).intersection(installed) - PRESUPPOSED))


def close(name: str) -> None:
    """Take a host's packages, name servers and ways out."""
    purge(name)
    on(name, "tee", "/etc/resolv.conf", input="")
    # The programs of this machine work in the hosts' networks.
    in_network_of(name, "iptables-restore", "--noflush", input=rules(*GATEWAY, inside=GAP))
    in_network_of(name, "ip6tables-restore", "--noflush", input=rules(inside=GAP_6))


def packets_to_elsewhere() -> dict[str, int]:
    """Return how many packets each host tried to send out of the gap."""
    counted = {}
    for name in addresses():
        saved = [in_network_of(name, program, "--counters", "--table", "mangle") for program in ("iptables-save", "ip6tables-save")]
        found = [re.findall(r"^\[(\d+):\d+\] -A airgap .*-j DROP$", text, re.MULTILINE) for text in saved]
        assert [len(packets) for packets in found] == [3, 1], saved  # a host that was rebuilt has no rules
        counted[name] = sum(int(packets) for family in found for packets in family)
    return counted


def recreate(*names: str) -> None:
    """Replace hosts by new ones, outside of the gap: the provider is this machine."""
    for name in names:
        run("podman", "rm", "--force", "--time=1", "--volumes", f"{CLUSTER}-{name}")
    run("ansible-playbook", f"--inventory={DIRECTORY / 'inventory.yml'}", "playbooks/provision.yml", cwd=ROOT)


def on_all(prepare: t.Callable[[str], None]) -> None:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(prepare, addresses()))


def close_all() -> None:
    run("podman", "stop", "--time=1", f"{CLUSTER}-mirror")
    on_all(close)


def all_ready() -> bool:
    kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s")
    return len(get("nodes")["items"]) == 3


@pytest.fixture(scope="module")
def made() -> dict:
    return make(bundle_versions=[FIRST])


@pytest.fixture(scope="module")
def mirror_seconds(made) -> int | None:
    """Return how long the first run takes with a mirror of the same files and packages, and begin again. Only if all tests run."""
    if not WHOLE:
        return None
    source = f"deb [trusted=yes] {inventory()['vars']['cluster_artifact_mirror']}/packages/{RELEASE}/amd64 ./\n"

    def prepare(name: str) -> None:
        purge(name)
        on(name, "tee", "/etc/apt/sources.list.d/mirror.list", input=source)

    on_all(prepare)
    begin = time.monotonic()
    run("ansible-playbook", f"--inventory={DIRECTORY / 'inventory.yml'}", "playbooks/site.yml", cwd=ROOT)
    seconds = round(time.monotonic() - begin)
    shutil.rmtree(DIRECTORY / "store")
    recreate(*addresses())
    return seconds


@pytest.fixture(scope="module", autouse=True)
def gap(mirror_seconds):
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
        close_all()
        yield
    finally:
        run("ip", "netns", "delete", NAMESPACE)
        run("ip", "link", "delete", NAMESPACE)
        shutil.rmtree(resolver)


@pytest.fixture(scope="module")
def bundle(made, gap):
    shutil.rmtree(UNPACKED, ignore_errors=True)
    unpack(made["name"])
    install_controller()
    return made


@pytest.fixture(scope="module")
def cluster(bundle):
    begin = time.monotonic()
    play("site")
    return round(time.monotonic() - begin)


def test_a_damaged_bundle_is_refused_before_a_host_is_touched(bundle):
    path = next((UNPACKED / "mirror/runc").rglob("runc.*")).resolve()
    content = path.read_bytes()
    path.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    try:
        printed = play("site", succeeds=False)
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
        printed = play("site", succeeds=False)
    finally:
        lock.write_bytes(before[0])
        signature.write_bytes(before[1])
    assert re.search(r"cluster_bundle: found \S+ for arm64, expected one for amd64", " ".join(printed.split()))
    assert on("worker-0", "ls", "/var/cache").split().count("cfcr") == 0


def test_a_cluster_from_the_bundle(cluster, bundle, mirror_seconds, figures):
    assert all_ready()
    kubectl("rollout", "status", "--namespace=kube-system", "deployment/coredns", "--timeout=120s")
    for name in addresses():
        assert "[trusted=yes] file:/var/cache/cfcr/bundle" in on(name, "cat", "/etc/apt/sources.list.d/cfcr-bundle.list")
    figures("bundle", **bundle, install_seconds=cluster, mirror_seconds=mirror_seconds)


def test_no_packet_goes_elsewhere(cluster):
    assert set(packets_to_elsewhere().values()) == {0}


def test_a_second_run_changes_nothing(cluster):
    assert changes(play("site")) == {}


def test_a_replaced_host_gets_everything_from_the_bundle(cluster, figures):
    recreate("worker-1")
    run("podman", "stop", "--time=1", f"{CLUSTER}-mirror")
    close("worker-1")
    begin = time.monotonic()
    play("site")
    figures("replaced host", seconds=round(time.monotonic() - begin))
    assert all_ready()
    assert set(packets_to_elsewhere().values()) == {0}


def test_a_delta_has_only_what_is_new(cluster, bundle, figures):
    """A package, or with CFCR_UPDATE_FROM a minor, to which the cluster is updated."""
    versions = list(dict.fromkeys([FIRST, MINOR]))
    delta = make(bundle_versions=versions, bundle_packages=["tree"], bundle_since=f"{OUTPUT / bundle['name']}.json")
    unpack(delta["name"])
    begin = time.monotonic()
    play("update" if WHOLE else "site", cluster_kubernetes_version=MINOR)
    figures("delta", **delta, run_seconds=round(time.monotonic() - begin))
    assert delta["mb"] < bundle["mb"] / (1.5 if WHOLE else 20)
    assert {node["status"]["nodeInfo"]["kubeletVersion"] for node in get("nodes")["items"]} == {f"v{VERSION}"}
    assert set(packets_to_elsewhere().values()) == {0}
    # Nothing is left of the former version.
    assert on("worker-0", "ls", "/var/cache/cfcr/bundle/kubelet").split() == [VERSION]
    assert "/tree_" in on("worker-0", "find", "/var/cache/cfcr/bundle/packages")


@pytest.mark.long
def test_a_repair_gets_everything_from_the_bundle(cluster, figures):
    on("worker-0", "sh", "-c", "systemctl stop kubelet; rm -r $(readlink -f /opt/cfcr/bin/kubelet) /var/cache/cfcr/bundle")
    begin = time.monotonic()
    play("repair", cluster_kubernetes_version=MINOR)
    figures("repair", seconds=round(time.monotonic() - begin))
    assert on("worker-0", "systemctl", "is-active", "kubelet").strip() == "active"
    assert set(packets_to_elsewhere().values()) == {0}


@pytest.mark.long
def test_everything_is_restored_from_the_bundle(cluster, figures, tmp_path):
    """On new hosts by a director without a store, behind the gap."""
    kubectl("create", "configmap", "then")
    backup = {"backup_passphrase": PASSPHRASE, "backup_targets": [{"type": "directory", "path": str(tmp_path)}], "backup_directory": str(tmp_path / "work")}
    options = {**backup, "restore_directory": str(tmp_path / "restore"), "cluster_kubernetes_version": MINOR}
    play("backup", **options)
    shutil.rmtree(DIRECTORY / "store")
    recreate(*addresses())
    close_all()
    begin = time.monotonic()
    play("restore", **options, restore="latest", restore_confirm=CLUSTER)
    figures("restore", seconds=round(time.monotonic() - begin))
    assert all_ready()
    assert kubectl("get", "configmap", "then", "--output=name")
    assert set(packets_to_elsewhere().values()) == {0}

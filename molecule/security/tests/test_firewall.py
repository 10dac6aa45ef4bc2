# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firewall of the hosts' own ports: pods and strangers reach none of those that only hosts use, and a deleted table comes back."""

from __future__ import annotations

import json
import subprocess

import pytest
from playbook import Run
from scenario import CLUSTER, addresses, apply, get, kubectl, on, run, wait

PROBE, VICTIM = "firewall-probe", "firewall-victim"
NODE_PORT = 31379

# A frame for a pod, from an address that no pod has, in a packet of VXLAN. Arguments: the pod's address, the MAC of its host's flannel.1, the host.
INJECT = """
import socket, struct, sys
pod, mac, host = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", "")), sys.argv[3]
def checksum(header):
    total = sum(struct.unpack("!10H", header))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
datagram = struct.pack("!HHHH", 5353, 9999, 16, 0) + b"INJECTED"
header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 1, 0, 64, 17, 0, socket.inet_aton("10.200.254.9"), socket.inet_aton(pod))
header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
frame = mac + bytes.fromhex("020000000001") + b"\\x08\\x00" + header + datagram
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(5):
    sender.sendto(struct.pack("!II", 0x08000000, 1 << 8) + frame, (host, 8472))
"""
CAPTURE = """
import socket, time
capture = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(0x0800))
capture.settimeout(0.5)
print("ready", flush=True)
end, found = time.monotonic() + 8, 0
while time.monotonic() < end:
    try:
        found += b"INJECTED" in capture.recv(2000)
    except TimeoutError:
        pass
print(found)
"""


def pod(name: str, node: str, *command: str) -> dict:
    image = next(image for image in get("nodes")["items"][0]["status"]["images"] if "agnhost" in str(image["names"]))["names"][0]
    container = {"name": "agnhost", "image": image, "imagePullPolicy": "Never", "command": ["/agnhost", *command]}
    spec = {"nodeName": addresses()[node], "terminationGracePeriodSeconds": 1, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module", autouse=True)
def workloads():
    """Run a pod on two workers, and a Service whose hand-made endpoint is etcd."""
    ports = [{"name": "etcd", "port": 2379, "nodePort": NODE_PORT}, {"name": "ssh", "port": 22}]
    metadata = {"name": "trick-1", "labels": {"kubernetes.io/service-name": "trick"}}
    endpoints = [{"addresses": [addresses()["etcd-0"]], "conditions": {"ready": True}}]
    ports_there = [{"name": port["name"], "port": port["port"], "protocol": "TCP"} for port in ports]
    objects = [
        pod(PROBE, "worker-0", "pause"),
        pod(VICTIM, "worker-1", "netexec"),
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "trick"}, "spec": {"type": "NodePort", "ports": ports}},
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": ports_there,
        },
    ]
    apply(*objects)
    kubectl("wait", "--for=condition=Ready", f"pod/{PROBE}", f"pod/{VICTIM}", "--timeout=120s")
    yield
    kubectl("delete", f"pod/{PROBE}", f"pod/{VICTIM}", "service/trick", "endpointslice/trick-1")


def reaches(address: str, port: int) -> bool:
    """Tell whether the pod reaches a port. A refused connection has reached the host, too."""
    try:
        kubectl("exec", PROBE, "--", "/agnhost", "connect", "--timeout=2s", f"{address}:{port}")
    except subprocess.CalledProcessError as error:
        assert "TIMEOUT" in error.stderr or "REFUSED" in error.stderr, error.stderr
        return "REFUSED" in error.stderr
    return True


def overlay(name: str) -> list[str]:
    """Return a host's addresses in the overlay network."""
    shown = json.loads(on(name, "ip", "-json", "-4", "address", "show"))
    return [entry["addr_info"][0]["local"] for entry in shown if entry["ifname"] in ("cni0", "flannel.1")]


def loaded(name: str) -> bool:
    return "/etc/cfcr/firewall.nft" in on(name, "/opt/cfcr/libexec/firewall", "loaded")


@pytest.mark.parametrize("port", [2379, 2380])
def test_a_pod_does_not_reach_etcd(port):
    assert not reaches(addresses()["etcd-0"], port)


@pytest.mark.parametrize("name", ["etcd-0", "master-0", "worker-0", "worker-1", "proxy-0"])
def test_a_pod_does_not_reach_ssh(name):
    assert [address for address in [addresses()[name], *(overlay(name) if name != "etcd-0" else [])] if reaches(address, 22)] == []


def test_a_service_with_handmade_endpoints_does_not_lead_to_etcd():
    service = get("service", "trick")["spec"]["clusterIP"]
    # A NodePort of another worker or of the proxy sees the address of the pod's worker.
    targets = [(service, 2379), (service, 22), *((addresses()[name], NODE_PORT) for name in ("worker-0", "worker-1", "proxy-0"))]
    assert [target for target in targets if reaches(*target)] == []


def test_a_pod_reaches_the_api_and_kubelets():
    targets = [(addresses()["master-0"], 8443), (addresses()["proxy-0"], 8443), (addresses()["worker-0"], 10250), (addresses()["worker-1"], 10250)]
    assert [target for target in targets if not reaches(*target)] == []
    assert "UDP server" in kubectl("logs", VICTIM) or "HTTP server" in kubectl("logs", VICTIM)
    wait(lambda: addresses()["worker-0"] in kubectl("top", "nodes"), 90)


def test_a_pod_cannot_inject_packets_into_the_overlay():
    def arrived() -> int:
        """Return how many of five injected packets the victim gets."""
        find = "for p in $(pgrep -x agnhost); do grep -q {} /proc/$p/cmdline && echo $p && break; done"
        in_pod = f'nsenter --target $({find}) --net python3 -u -c "$0" "$@"'
        mac = on("worker-1", "cat", "/sys/class/net/flannel.1/address").strip()
        capture = subprocess.Popen(
            ["podman", "exec", f"{CLUSTER}-worker-1", "sh", "-c", in_pod.format("netexec"), CAPTURE], stdout=subprocess.PIPE, text=True
        )
        assert capture.stdout and capture.stdout.readline() == "ready\n"
        on("worker-0", "sh", "-c", in_pod.format("pause"), INJECT, get("pod", VICTIM)["status"]["podIP"], mac, addresses()["worker-1"])
        return int(capture.communicate(timeout=30)[0])

    assert arrived() == 0
    for name in ("worker-0", "worker-1"):
        on(name, "systemctl", "stop", "cfcr-firewall")
    try:
        assert arrived() == 5  # so it is the firewall that keeps them out
    finally:
        for name in ("worker-0", "worker-1"):
            on(name, "systemctl", "start", "cfcr-firewall")


def test_a_stranger_in_the_subnet_reaches_the_api_only():
    script = (
        "import socket, sys\n"
        "for target in sys.argv[1:]:\n"
        "    address, port = target.split(':')\n"
        "    with socket.socket() as probe:\n"
        "        probe.settimeout(2)\n"
        "        print(target if not probe.connect_ex((address, int(port))) else 'closed')\n"
    )
    names = addresses()
    closed = [f"{names['etcd-0']}:2379", f"{names['etcd-0']}:2380", f"{names['worker-0']}:10250"]
    api = f"{names['master-0']}:8443"
    # The director is in the subnet, and in none of the groups that are clients of these ports.
    assert run("podman", "exec", f"{CLUSTER}-director-0", "python3", "-c", script, *closed, api).split() == ["closed"] * 3 + [api]


def test_site_restores_a_table_that_was_deleted_or_changed():
    on("worker-0", "nft", "delete", "table", "inet", "cfcr")
    on("etcd-0", "nft", "insert", "rule", "inet", "cfcr", "input", "tcp", "dport", "2379", "accept")
    assert not loaded("worker-0")
    assert not loaded("etcd-0")
    before = on("worker-1", "cat", "/etc/cfcr/firewall.nft")
    limited = Run("site.yml", "--limit", "worker-0")
    assert limited.end() == 0, limited.text
    assert loaded("worker-0")
    # The run did not gather the facts of the others, and kept their addresses.
    assert on("worker-0", "cat", "/etc/cfcr/firewall.nft").splitlines()[:9] == before.splitlines()[:9]
    assert not loaded("etcd-0")
    everywhere = Run("site.yml")
    assert everywhere.end() == 0, everywhere.text
    assert loaded("etcd-0")


def test_the_table_is_there_after_a_reboot():
    run("podman", "restart", "--time", "5", f"{CLUSTER}-worker-2")

    def is_loaded() -> bool:
        try:
            return loaded("worker-2")
        except subprocess.CalledProcessError:  # it is still starting
            return False

    wait(is_loaded, 60)
    wait(lambda: all(node["status"]["conditions"][-1]["status"] == "True" for node in get("nodes")["items"]), 120)

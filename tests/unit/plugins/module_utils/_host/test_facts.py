# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts of hosts, read from trees of files."""

from __future__ import annotations

import base64
import hashlib

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host.facts import disks, facts

DEBIAN = {
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n',
    "etc/resolv.conf": "# a comment\ndomain old.example\nsearch a.example b.example\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n",
    "proc/meminfo": "MemTotal:        4014080 kB\nMemFree:          100 kB\nSwapTotal:       1048576 kB\n",
    "proc/1/comm": "systemd\n",
    "proc/net/route": (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    ),
    "usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so": "",
    "sys/class/net/eth0": "",
    "sys/class/net/lo": "",
}


@pytest.fixture
def host(tmp_path):
    """Return a function that creates a root directory with these files."""

    def make(**files):
        for name, content in {**DEBIAN, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return facts(tmp_path)

    return make


def test_facts_of_a_virtual_machine(host):
    found = host(**{"sys/fs/cgroup/cgroup.controllers": "cpu memory\n"})
    expected = {
        "operating_system": "debian",
        "operating_system_version": "12",
        "init": "systemd",
        "systemd_version": 252,
        "memory_mib": 3920,
        "container": False,
        "cgroup_version": 2,
        "cgroup_driver": "systemd",
        "conntrack_writable": True,
        "nameservers": ["10.0.0.2", "10.0.0.3"],
        "search": ["a.example", "b.example"],
        "interfaces": ["eth0", "lo"],
        "networks": [{"interface": "eth0", "network": "10.0.0.0/24"}],
    }
    assert {name: found[name] for name in expected} == expected


def test_facts_of_a_container_with_cgroup_version_1(host):
    found = host(
        **{
            "run/systemd/container": "podman",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n",
        }
    )
    expected = {
        "container": True,
        "memory_mib": 512,
        "cgroup_version": 1,
        "cgroup_driver": "cgroupfs",
        "conntrack_writable": False,
    }
    assert {name: found[name] for name in expected} == expected


def test_trusted_authorities_are_found_in_the_bundles_of_components(host):
    certificate = f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(bytes(100)).decode()}-----END CERTIFICATE-----\n"
    found = host(**{
        "etc/etcd/pki/ca.crt": certificate * 2,
        "etc/kubernetes/pki/etcd-ca.crt": "-----BEGIN CERTIFICATE-----\nhalf",
        "etc/kubernetes/pki/kube-apiserver.crt": certificate,
    })  # fmt: skip
    assert found["authorities"] == {"/etc/etcd/pki/ca.crt": [hashlib.sha256(bytes(100)).hexdigest()] * 2, "/etc/kubernetes/pki/etcd-ca.crt": []}


@pytest.mark.parametrize("limit", ["max\n", "9223372036854771712\n"])
def test_a_host_without_a_memory_limit(host, limit):
    assert host(**{"sys/fs/cgroup/memory.max": limit})["memory_mib"] == 3920


STUB = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch a.example\n"


@pytest.mark.parametrize(
    ("resolv_conf", "behind", "nameservers"),
    [
        pytest.param(STUB, "nameserver 10.0.0.2\nnameserver 10.0.0.3\n", ["10.0.0.2", "10.0.0.3"], id="a fresh Ubuntu"),
        pytest.param("nameserver 127.0.0.2\n" + STUB, "nameserver 10.0.0.2\n", ["127.0.0.2", "10.0.0.2"], id="behind the resolver of role dns"),
        pytest.param(STUB, "nameserver 127.0.0.53\n", [], id="systemd-resolved asks itself"),
        pytest.param("nameserver 10.0.0.2\n", "nameserver 10.0.0.9\n", ["10.0.0.2"], id="systemd-resolved is not used"),
        pytest.param("nameserver 127.0.0.1\n", "", ["127.0.0.1"], id="another resolver of the host"),
        pytest.param("\n# nothing\n", "", [], id="no name server"),
    ],
)
def test_name_servers_are_found_behind_systemd_resolved(host, resolv_conf, behind, nameservers):
    assert host(**{"etc/resolv.conf": resolv_conf, "run/systemd/resolve/resolv.conf": behind})["nameservers"] == nameservers


# 127.0.0.53:53 and 127.0.0.54:53, as the kernel writes them on machines of this byte order.
SOCKETS = "   sl  local_address rem_address   st\n 6309: 3600007F:0035 00000000:0000 07\n"
LISTENS = f"{SOCKETS} 6310: 3500007F:0035 00000000:0000 07\n"


@pytest.mark.parametrize(
    ("resolv_conf", "sockets", "resolved"),
    [
        pytest.param(STUB, LISTENS, True, id="systemd-resolved is used"),
        pytest.param(STUB, SOCKETS, False, id="systemd-resolved is stopped, its file is left"),
        pytest.param(STUB, "", False, id="no listener"),
        pytest.param("nameserver 10.0.0.2\n", LISTENS, False, id="systemd-resolved is not used"),
        pytest.param("nameserver 127.0.0.2\n" + STUB, LISTENS, False, id="systemd-resolved is the fallback of role dns"),
    ],
)
def test_systemd_resolved_is_detected_by_file_and_listener(host, resolv_conf, sockets, resolved):
    assert host(**{"etc/resolv.conf": resolv_conf, "proc/net/udp": sockets})["resolved"] is resolved


def test_a_missing_directory_has_the_disk_of_its_parent(tmp_path):
    path = str(tmp_path / "not/yet")
    assert disks([path])[path] == disks([str(tmp_path)])[str(tmp_path)]

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Units, permissions and names on every host of a cluster."""

from __future__ import annotations

import re

# They start the containers of pods, which inherit most of a sandbox.
UNCONFINED = {"containerd.service": 9.6, "kubelet.service": 8.9}

testinfra_hosts = ["ansible://all?force_ansible=False"]


def test_every_unit_runs(host):
    assert host.run("systemctl is-system-running --wait").stdout.strip() == "running"


def test_units_are_confined(host):
    """The units of our jobs have at most the exposure that docs/security.md states."""
    for unit in host.check_output("grep --files-with-matches CFCR_DIGEST /etc/systemd/system/*.service").split():
        name = unit.rpartition("/")[2]
        said = host.check_output(f"systemd-analyze security --no-pager {name}")
        exposure = float(re.search(rf"Overall exposure level for {re.escape(name)}: ([0-9.]+)", said)[1])
        assert exposure <= UNCONFINED.get(name, 5.0), name


def test_only_root_can_read_the_configuration_of_the_node(host):
    """CIS 1.1.9, 1.1.15, 1.1.17, 4.1.1, 4.1.3, 4.1.5 and 4.1.9."""
    paths = "/etc/cfcr/cni/* /etc/kubernetes/*.kubeconfig /etc/kubernetes/kubelet.yaml /etc/systemd/system/kubelet.service"
    assert host.check_output(f"find {paths} -perm /077 2>/dev/null || true") == ""


def test_only_their_owner_can_read_private_keys(host):
    assert host.check_output("find /etc /opt -name '*.key' -perm /077") == ""
    holders = host.run("grep --recursive --files-with-matches 'PRIVATE KEY-----' /etc").stdout.split()
    assert holders, "every host has keys"
    assert {host.file(path).mode for path in holders} == {0o600}


def test_only_its_owner_can_read_the_encryption_configuration(host):
    encryption = host.file("/etc/kubernetes/encryption.yaml")
    assert not encryption.exists or encryption.mode == 0o600


def test_masters_and_hosts_have_names(host):
    masters = {line.split()[0] for line in host.check_output("getent ahostsv4 master.cfcr.internal").splitlines()}
    assert len(masters) == 2
    for name in ("etcd-2.etcd", "worker-0.worker", "proxy-0.proxy"):
        assert host.run_expect([0], f"getent ahostsv4 {name}.cfcr.internal")


def test_pods_have_no_name_server_on_loopback(host):
    servers = host.check_output("sed -n 's/^nameserver //p' /etc/cfcr/pods-resolv.conf").split()
    assert servers
    assert not [server for server in servers if server == "::1" or server.startswith("127.")]


def test_processes_run_with_the_configuration_on_disk(host):
    """Each process has the digest of its unit in its environment."""
    for unit in host.check_output("grep --files-with-matches CFCR_DIGEST /etc/systemd/system/*.service").split():
        wanted = host.check_output(f"sed -n 's/^Environment=CFCR_DIGEST=//p' {unit}")
        pid = host.check_output(f"systemctl show --property MainPID --value {unit.rpartition('/')[2]}")
        assert f"CFCR_DIGEST={wanted}" in host.file(f"/proc/{pid}/environ").content_string.split("\0"), unit

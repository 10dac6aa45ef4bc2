# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each row of the table in docs/operations.md#drift: changed on one host, told by --check --diff and health, and repaired by one run."""

from __future__ import annotations

import json
import re
import subprocess
import time
import typing as t

import pytest
from playbook import Run
from scenario import addresses, agnhost, apply, get, kubectl, on, wait

HOST = "worker-0"
KUBELET = "/etc/kubernetes/kubelet.yaml"  # kube-proxy would restart if its own changed
CONTAINERD = "/etc/containerd/config.toml"
PODS = "/etc/cfcr/pods-resolv.conf"
KEY = "/etc/kubernetes/pki/kubelet.key"
MASKED = "/etc/systemd/system/containerd.service"
DROP_INS = "/etc/systemd/system/kube-proxy.service.d"
# A parameter of the network namespace. Hosts of the scenario share most others.
FORWARD = "/proc/sys/net/ipv4/ip_forward"


class Row(t.NamedTuple):
    """A change, words that the check and health say about it, and a command that succeeds once it is repaired."""

    change: str
    check: str
    health: str
    repaired: str


ROWS = {
    "content": Row(f"echo '# mine' >>{KUBELET}", "# mine", f"files {KUBELET}", f"! grep mine {KUBELET}"),
    "mode": Row("chmod 0666 /etc/crictl.yaml", "mode: '0666'", "files /etc/crictl.yaml", "[ $(stat -c %a /etc/crictl.yaml) = 644 ]"),
    "owner": Row(f"chown nobody {CONTAINERD}", "owner: nobody", f"files {CONTAINERD}", f"[ $(stat -c %U {CONTAINERD}) = root ]"),
    "link": Row(f"ln -sf /dev/null {PODS}", PODS, f"files {PODS}", f"[ ! -L {PODS} ]"),
    "directory": Row("chmod 0777 /etc/cfcr", "mode: '0777'", "directories /etc/cfcr", "[ $(stat -c %a /etc/cfcr) = 755 ]"),
    "key": Row(f"chmod 0644 {KEY}", KEY, f"files {KEY}", f"[ $(stat -c %a {KEY}) = 600 ]"),
    "resolv.conf": Row("echo options rotate >>/etc/resolv.conf", "options rotate", "files /etc/resolv.conf", "! grep rotate /etc/resolv.conf"),
    "program": Row("rm /opt/cfcr/bin/portmap", "cni-plugins", "releases cni-plugins", "[ -x /opt/cfcr/bin/portmap ]"),
    "mask": Row(f"ln -sf /dev/null {MASKED}", MASKED, f"files {MASKED}", f"[ -f {MASKED} ] && systemctl is-active containerd"),
    "drop-in": Row(
        f"mkdir -p {DROP_INS}; printf '[Service]\\nUMask=0000\\n' | tee {DROP_INS}/a.conf >{DROP_INS}/operator.conf;"
        f" printf '[Service]\\nEnvironment=A_PROXY=http://192.0.2.1\\nNice=5\\n' >{DROP_INS}/proxy.conf",
        "UMask=0000",
        "services kube-proxy: drop-ins",
        f"[ ! -e {DROP_INS}/a.conf ] && [ -e {DROP_INS}/a.conf.disabled ] && [ -e {DROP_INS}/operator.conf ] && [ -e {DROP_INS}/proxy.conf ]",
    ),
    "stopped": Row("systemctl stop pdns", "active: false", "pdns: found is inactive", "systemctl is-active pdns"),
    "disabled": Row("systemctl disable kubelet", "enabled: false", "services kubelet: enabled", "systemctl is-enabled kubelet"),
    "account": Row("usermod --shell /bin/sh pdns", "pdns: /bin/sh", "accounts pdns", "getent passwd pdns | grep -E 'nologin|false'"),
    "package removed": Row("dpkg --force-depends --purge socat", "socat: null", "packages socat", "dpkg-query --show socat"),
    # An upgrade replaces the program, and the process runs on with the former one.
    "package upgraded": Row(
        "cp -p /usr/sbin/pdns_recursor /usr/sbin/pdns_recursor.new && mv /usr/sbin/pdns_recursor.new /usr/sbin/pdns_recursor",
        "configuration: outdated",
        "pdns-recursor: found runs with an outdated configuration",
        "! readlink /proc/$(systemctl show --property MainPID --value pdns-recursor)/exe | grep deleted",
    ),
    "sysctl": Row(f"echo 0 >{FORWARD}", "net.ipv4.ip_forward: '0'", "sysctls net.ipv4.ip_forward", f"grep 1 {FORWARD}"),
    "nftables": Row(
        "nft flush ruleset",
        "table ip flannel-ipv4 of nftables is missing",
        "table ip flannel-ipv4 of nftables is missing",
        "nft list chain ip flannel-ipv4 postrtg | grep masquerade",
    ),
    "down": Row("ip link set flannel.1 down", "interface flannel.1 is down", "interface flannel.1 is down", "ip link show up dev flannel.1 | grep flannel"),
    "tables of kube-proxy": Row(
        "true",  # those above
        "table ip kube-proxy of nftables is missing",
        "table ip kube-proxy of nftables is missing",
        "nft list table ip kube-proxy",
    ),
    "firewall": Row("true", "table inet cfcr of nftables is missing", "table inet cfcr of nftables is missing", "nft list table inet cfcr"),
    "route": Row("ip route flush dev flannel.1", "has 0 routes", "has 0 routes", "ip route show dev flannel.1 | grep via"),
}
# Hosts of the scenario have no packages to install, so socat is packed again.
REPOSITORY = """
mkdir -p /srv/drift/socat/DEBIAN /srv/drift/socat/usr/bin && cd /srv/drift && cp /usr/bin/socat socat/usr/bin
dpkg-query --show --showformat 'Package: socat\\nVersion: ${Version}\\nArchitecture: ${Architecture}\\n' socat >socat/DEBIAN/control
printf 'Maintainer: nobody\\nDescription: socat\\n' >>socat/DEBIAN/control
dpkg-deb --build socat socat.deb
{ cat socat/DEBIAN/control; echo Filename: ./socat.deb; echo Size: $(stat -c %s socat.deb); echo SHA256: $(sha256sum socat.deb | cut -d ' ' -f 1); } >Packages
echo 'deb [trusted=yes] file:/srv/drift ./' >/etc/apt/sources.list.d/drift.list
"""
DROP_FORWARDED = "nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'"


def shell(command: str) -> str:
    return on(HOST, "sh", "-c", command)


def holds(command: str) -> bool:
    try:
        shell(command)
    except subprocess.CalledProcessError:
        return False
    return True


def unfolded(diff: str) -> str:
    """Return a diff whose long values are on one line."""
    return re.sub(r"\n[-+ ] {12,}(?![\w.-]+:)", " ", diff)


# Otherwise kube-proxy writes its table again as soon as endpoints change. The next process has its own mounts.
WITHOUT_NFT = 'nsenter --target "$(systemctl show --property MainPID --value kube-proxy)" --mount mount --bind /bin/false /usr/sbin/nft'


@pytest.fixture(scope="module")
def runs():
    """Change everything while the guard is stopped, then check, ask for the health, and repair."""
    shell("systemctl stop cfcr-guard")
    try:
        shell(WITHOUT_NFT)
        shell(REPOSITORY)
        for row in ROWS.values():
            shell(row.change)
        shell(DROP_FORWARDED)
        shell("systemctl daemon-reload")
        health = Run("health.yml")
        health.end()
        check = Run("site.yml", "--check", "--diff", "--limit", HOST)
        check.end()
    finally:
        shell("nft delete table ip filter")
        repair = Run("site.yml")
        code = repair.end()
    yield {"health": health.text, "check": unfolded(check.text), "repair": repair.text, "code": code}
    shell(f"rm -r {DROP_INS} /srv/drift /etc/apt/sources.list.d/drift.list; systemctl daemon-reload; systemctl restart kube-proxy")


@pytest.mark.parametrize("row", ROWS)
def test_health_finds_it(runs, row):
    assert ROWS[row].health in runs["health"]


@pytest.mark.parametrize("row", ROWS)
def test_a_check_tells_it(runs, row):
    assert ROWS[row].check in runs["check"]


@pytest.mark.parametrize("row", ROWS)
def test_the_next_run_repairs_it(runs, row):
    assert runs["code"] == 0, runs["repair"]
    assert holds(ROWS[row].repaired)


def test_health_names_a_chain_that_drops_forwarded_packets(runs):
    assert "ip filter FORWARD: found drops forwarded packets" in runs["health"]


def test_nothing_is_left_to_repair(runs):
    assert Run("health.yml").end() == 0


@pytest.mark.parametrize(
    "command",
    [
        "nft flush ruleset",
        "ip link delete flannel.1",
        "ip link set flannel.1 down",
        "ip link set flannel.1 down; ip link set flannel.1 up",
        "ip route flush dev flannel.1",
        "systemctl start nftables; systemctl reload nftables",
    ],
)
def test_the_guard_restores_it_within_a_minute(runs, command):
    time.sleep(45)  # it leaves units alone that have just started
    shell(command)
    wait(lambda: all(holds(ROWS[row].repaired) for row in ("nftables", "tables of kube-proxy", "firewall", "down", "route")), 60)


def test_a_later_file_of_sysctl_d_does_not_win(runs):
    shell("echo net.ipv4.ip_forward=0 >/etc/sysctl.d/99-hardening.conf")
    try:
        shell("systemctl restart systemd-sysctl")
        wait(lambda: holds(ROWS["sysctl"].repaired), 15)
    finally:
        shell("rm /etc/sysctl.d/99-hardening.conf")


def test_a_leftover_in_the_directory_of_cni_has_no_effect():
    ipam = {"type": "host-local", "ranges": [[{"subnet": "172.31.9.0/24"}]]}
    leftover = {"cniVersion": "1.0.0", "name": "old", "plugins": [{"type": "bridge", "bridge": "old0", "isGateway": True, "ipam": ipam}]}
    on(HOST, "mkdir", "-p", "/etc/cni/net.d")
    on(HOST, "tee", "/etc/cni/net.d/05-old.conflist", input=json.dumps(leftover))
    container = {"name": "pause", "image": agnhost(), "imagePullPolicy": "Never", "command": ["/agnhost", "pause"]}
    spec = {"nodeName": addresses()[HOST], "terminationGracePeriodSeconds": 1, "containers": [container]}
    try:
        shell("systemctl restart containerd")
        apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "drift"}, "spec": spec})
        wait(lambda: get("pod", "drift")["status"].get("podIP"), 60)
        assert get("pod", "drift")["status"]["podIP"].startswith("10.200.")
    finally:
        kubectl("delete", "pod", "drift", "--ignore-not-found")
        shell("rm /etc/cni/net.d/05-old.conflist")

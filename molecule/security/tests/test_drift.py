# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each row of the table in docs/operations.md#drift: broken on one host, told by --check --diff and health, repaired by one run or by the guard."""

from __future__ import annotations

import subprocess
import time

import pytest
from playbook import Run
from scenario import on, wait

HOST = "worker-0"

# What breaks, words of the check's diff, words of health, and a command that succeeds once it is repaired.
ROWS = {
    "content": ("echo '# mine' >>{proxy}", "# mine", "files {proxy}", "! grep mine {proxy}"),
    "mode": ("chmod 0666 /etc/crictl.yaml", '"mode": "0666"', "files /etc/crictl.yaml", "[ $(stat -c %a /etc/crictl.yaml) = 644 ]"),
    "owner": ("chown nobody {containerd}", '"owner": "nobody"', "files {containerd}", "[ $(stat -c %U {containerd}) = root ]"),
    "link": ("ln -sf /dev/null {pods}", "{pods}", "files {pods}", "[ ! -L {pods} ]"),
    "resolv.conf": ("echo nameserver 192.0.2.1 >/etc/resolv.conf", "192.0.2.1", "files /etc/resolv.conf", "! grep 192.0.2.1 /etc/resolv.conf"),
    "program": ("rm /opt/cfcr/bin/portmap", "cni-plugins", "releases cni-plugins", "[ -x /opt/cfcr/bin/portmap ]"),
    "mask": ("ln -sf /dev/null {masked}", "{masked}", "files {masked}", "[ -f {masked} ] && systemctl is-active containerd"),
    "drop-in": (
        "mkdir -p {dropins}; printf '[Service]\\nNice=19\\n' | tee {dropins}/a.conf >{dropins}/operator.conf",
        "Nice=19",
        "services kube-proxy: drop-ins",
        "[ ! -e {dropins}/a.conf ] && [ -e {dropins}/operator.conf ]",
    ),
    "stopped": ("systemctl stop pdns", '"active": false', "is inactive", "systemctl is-active pdns"),
    "disabled": ("systemctl disable kubelet", '"enabled": false', "services kubelet: enabled", "systemctl is-enabled kubelet"),
    "account": ("usermod --shell /bin/sh pdns", '"pdns": "/bin/sh"', "accounts pdns", "getent passwd pdns | grep -E 'nologin|false'"),
    "package": ("dpkg --force-depends --purge socat", '"socat"', "packages socat", "dpkg-query --show socat"),
    "sysctl": ("echo 0 >{overcommit}", '"vm.overcommit_memory": "0"', "sysctls vm.overcommit_memory", "grep 1 {overcommit}"),
    "nftables": (
        "nft flush ruleset",
        "chain ip kube-proxy nat-prerouting of nftables is missing",
        "chain ip flannel-ipv4 postrtg",
        "nft list chain ip flannel-ipv4 postrtg | grep masquerade",
    ),
    "route": ("ip route flush dev flannel.1", "has 0 routes", "has 0 routes", "ip route show dev flannel.1 | grep via"),
}
PATHS = {
    "{proxy}": "/etc/kubernetes/kube-proxy.yaml",
    "{containerd}": "/etc/containerd/config.toml",
    "{pods}": "/etc/cfcr/pods-resolv.conf",
    "{masked}": "/etc/systemd/system/containerd.service",
    "{dropins}": "/etc/systemd/system/kube-proxy.service.d",
    "{overcommit}": "/proc/sys/vm/overcommit_memory",
}
for _path, _full in PATHS.items():
    ROWS = {name: tuple(text.replace(_path, _full) for text in row) for name, row in ROWS.items()}
CONFLICTS = {
    "echo net.ipv4.ip_forward=0 >/etc/sysctl.d/99-hardening.conf": "/etc/sysctl.d/99-hardening.conf: net.ipv4.ip_forward",
    "nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'": "chain ip filter FORWARD",
}


def shell(command: str) -> str:
    return on(HOST, "sh", "-c", command)


def holds(command: str) -> bool:
    try:
        shell(command)
    except subprocess.CalledProcessError:
        return False
    return True


@pytest.fixture(scope="module")
def runs():
    """Break everything while the guard is stopped, then check, ask for the health, and repair."""
    shell("systemctl stop cfcr-guard")
    try:
        for command in [row[0] for row in ROWS.values()] + list(CONFLICTS):
            shell(command)
        shell("systemctl daemon-reload")
        health, check = Run("health.yml"), Run("site.yml", "--check", "--diff", "--limit", HOST)
        health.end()
        check.end()
    finally:
        shell("rm -f /etc/sysctl.d/99-hardening.conf; nft delete table ip filter")
        repair = Run("site.yml")
        code = repair.end()
    yield {"health": health.text, "check": check.text, "repair": repair.text, "code": code}
    shell(f"rm -r {PATHS['{dropins}']}; systemctl daemon-reload")


@pytest.mark.parametrize("row", ROWS)
def test_health_finds_it(runs, row):
    assert ROWS[row][2] in runs["health"]


@pytest.mark.parametrize("row", ROWS)
def test_a_check_tells_it(runs, row):
    assert ROWS[row][1] in runs["check"]


@pytest.mark.parametrize("row", ROWS)
def test_the_next_run_repairs_it(runs, row):
    assert runs["code"] == 0, runs["repair"]
    assert holds(ROWS[row][3])


@pytest.mark.parametrize("words", CONFLICTS.values())
def test_health_names_what_contradicts(runs, words):
    assert words in runs["health"]


@pytest.mark.parametrize("command", ["nft flush ruleset", "ip link delete flannel.1", "systemctl start nftables; systemctl reload nftables"])
def test_the_guard_restores_it_within_a_minute(runs, command):
    time.sleep(45)  # the guard leaves units alone that have just started
    shell(command)
    wait(lambda: holds(ROWS["nftables"][3]) and holds(ROWS["route"][3]) and holds("nft list chain ip kube-proxy nat-prerouting"), 60)

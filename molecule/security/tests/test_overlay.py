# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The overlay network: flanneld cannot execute commands from its configuration, and restarts after etcd."""

from __future__ import annotations

import json

import pytest
from overlay import CONFIG, etcdctl, lease
from playbook import Run
from scenario import on, wait

MARK = "/run/flannel/executed"  # where flanneld may write
FLANNEL_HOSTS = ["master-0", "master-1", "proxy-0", "worker-0", "worker-1", "worker-2"]
CAP_NET_ADMIN = 1 << 12


def pid(name: str) -> int:
    """Return the PID of a host's flanneld; 0 if there is none."""
    return int(on(name, "systemctl", "show", "--property=MainPID", "--value", "flanneld"))


def runs(name: str) -> bool:
    return on(name, "systemctl", "show", "--property=ActiveState", "--value", "flanneld").strip() == "active"


def journal(name: str, since: str) -> str:
    """Return the journal of a host's flanneld since a time."""
    return on(name, "journalctl", "--unit=flanneld", "--no-pager", "--output=cat", f"--since=@{since}")


def test_flanneld_executes_no_command_from_its_configuration():
    """A compromised etcd cannot become root on the hosts through flanneld."""
    name, right = "master-0", etcdctl("get", CONFIG, "--print-value-only").strip()
    own, before, begin = lease(name), pid(name), on(name, "date", "+%s").strip()
    backend = {"Type": "extension", "PreStartupCommand": f"/usr/bin/touch {MARK}"}
    etcdctl("put", CONFIG, json.dumps({**json.loads(right), "Backend": backend}))
    try:
        etcdctl("del", own)  # flanneld ends, is started again, and reads the configuration
        # Our build of flanneld has no such backend. Upstream's build has, but may not execute the command.
        refusals = ("unknown backend type", "permission denied")
        wait(lambda: any(refusal in journal(name, begin) for refusal in refusals), 30)
    finally:
        etcdctl("put", CONFIG, right)
    wait(lambda: runs(name) and pid(name) != before, 30)
    assert lease(name) == own
    assert on(name, "find", MARK.rpartition("/")[0], "-name", "executed") == ""


def test_a_run_restarts_flanneld_after_its_network_was_changed_and_put_back():
    """It reads the configuration only when it starts."""
    name, right = "worker-0", etcdctl("get", CONFIG, "--print-value-only").strip()
    configuration = json.loads(right)
    etcdctl("put", CONFIG, json.dumps({**configuration, "Backend": {**configuration["Backend"], "Port": 8473}}))
    on(name, "systemctl", "restart", "flanneld")
    try:
        wait(lambda: uses_port(name, 8473), 30)
    finally:
        etcdctl("put", CONFIG, right)
    assert Run("site.yml").end() == 0
    assert uses_port(name, configuration["Backend"].get("Port", 8472))
    assert Run("health.yml").end() == 0


def uses_port(name: str, port: int) -> bool:
    return f"dstport {port} " in on(name, "ip", "-details", "link", "show", "flannel.1")


@pytest.mark.parametrize("name", FLANNEL_HOSTS)
def test_flanneld_can_execute_its_programs_only_and_change_none(name):
    mounts = {}
    for line in on(name, "cat", f"/proc/{pid(name)}/mountinfo").splitlines():
        target, options = line.split()[4:6]
        mounts[target] = options.split(",")  # the last mount hides those before it
    executable = {target: options for target, options in mounts.items() if "noexec" not in options}
    assert {target for target, options in executable.items() if "ro" not in options} == set()
    others = {target for target in executable if not target.startswith(("/opt/cfcr/releases/flannel/", "/usr/lib/", "/usr/sbin/nft", "/usr/sbin/xtables-"))}
    assert others <= {"/run/systemd/incoming"}  # systemd's empty directory
    status = dict(line.split(":\t", 1) for line in on(name, "cat", f"/proc/{pid(name)}/status").splitlines())
    assert int(status["CapBnd"], 16) == int(status["CapEff"], 16) == CAP_NET_ADMIN
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


@pytest.mark.parametrize("program", ["/bin/sh", "/usr/bin/python3", "/usr/bin/touch", "/opt/cfcr/bin/kubelet", "/run/flannel/copy", "/var/tmp/copy"])
def test_no_other_program_starts_in_the_sandbox_of_flanneld(program):
    """Neither a program that flanneld could write there nor one run by the dynamic loader starts."""
    enter = ["nsenter", f"--target={pid('worker-0')}", "--mount"]
    script = f"{' '.join(enter)} {{}} --version 2>&1; echo status $?"
    if program.endswith("copy"):
        on("worker-0", "sh", "-c", f"cp /bin/true /proc/{pid('worker-0')}/root{program}")
    try:
        for command in (program, f"$(ls /lib64/ld-linux-*.so.* /lib/ld-linux-*.so.* 2>/dev/null | head --lines=1) {program}"):
            answer = on("worker-0", "sh", "-c", script.format(command))
            assert "ermission denied" in answer or "failed to map segment" in answer, answer
            assert not answer.endswith("status 0\n")
    finally:
        if program.endswith("copy"):
            on("worker-0", "rm", f"/proc/{pid('worker-0')}/root{program}")
    assert "nftables" in on("worker-0", *enter, "/usr/sbin/nft", "--version")


def test_a_run_that_restarts_etcd_restarts_flanneld():
    """A restart of etcd closes flanneld's watch, and flanneld would learn of no other host for 150 seconds.

    See docs/decisions/0036-restart-flannel-after-etcd.md.
    """
    before = {name: pid(name) for name in FLANNEL_HOSTS}
    run = Run("site.yml", "--extra-vars", json.dumps({"etcd_flags": {"snapshot-count": 9999}}))
    assert run.end() == 0, run.text
    after = {name: pid(name) for name in FLANNEL_HOSTS}
    assert [name for name in FLANNEL_HOSTS if after[name] == before[name]] == []
    assert all(runs(name) for name in FLANNEL_HOSTS)

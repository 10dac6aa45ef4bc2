# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packages, sysctls and kernel modules of a job, on a host simulated by files."""

from __future__ import annotations

import io
import os

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import system

DPKG = """Package: haproxy
Status: install ok installed
Version: 2.6.12-1

Package: nftables
Status: deinstall ok config-files
Version: 1.0.6-2

Package: conntrack
Status: install ok installed
"""


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A directory that replaces the root of the host."""
    for name, content in {
        "var/lib/dpkg/status": DPKG,
        "proc/sys/net/ipv4/ip_forward": "0\n",
        "proc/sys/net/ipv4/tcp_rmem": "4096\t131072\t6291456\n",
        "usr/sbin/dpkg": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(system, "Path", lambda path: tmp_path / str(path).lstrip("/"))
    return tmp_path


@pytest.mark.usefixtures("host")
def test_several_numbers_are_compared_without_the_tabs_of_the_kernel():
    assert system.sysctls(["net.ipv4.tcp_rmem", "net.missing"]) == {"net.ipv4.tcp_rmem": system.spaced("4096  131072 6291456")}


@pytest.fixture
def commands(monkeypatch):
    """The commands that are run, each with the policy for starting services at that time."""
    ran = []

    def run(*arguments, environment=None):
        policy = system.Path("/usr/sbin/policy-rc.d")
        ran.append((arguments, policy.read_text() if policy.exists() else None))
        if "broken" in arguments or system._OFFLINE[-1] in arguments and not {"cached", "interrupted"} & set(arguments):
            raise HostError("apt-get: exit code 100")
        if "interrupted" in arguments and "dpkg" not in [before[0] for before, _policy in ran]:
            raise HostError("E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.")

    monkeypatch.setattr(system, "run", run)
    return ran


@pytest.mark.usefixtures("host")
def test_a_package_is_installed_if_dpkg_lists_it_and_its_files_exist():
    assert system.installed_packages(["conntrack", "nftables", "haproxy", "unknown"]) == ["conntrack", "haproxy"]


def test_packages_do_not_start_their_services(host, commands):
    system.install_packages(["haproxy"])
    (_offline, during_offline), (update, during_update), (install, during_install) = commands
    assert (update[:2], install[:2], install[-1]) == (("apt-get", "update"), ("apt-get", "install"), "haproxy")
    assert during_offline == during_update == during_install == system._POLICY
    assert system._POLICY.startswith("#!/bin/sh\n") and system._POLICY.endswith("\nexit 101\n")
    assert [path.name for path in (host / "usr/sbin").iterdir()] == ["dpkg"]


def test_the_policy_is_removed_after_a_failure(host, commands):
    with pytest.raises(HostError):
        system.install_packages(["broken"])
    assert len(commands) == 3
    assert not (host / "usr/sbin/policy-rc.d").exists()


@pytest.mark.parametrize("code", [0, 101])
def test_a_policy_of_the_operator_is_kept(host, commands, code):
    policy = host / "usr/sbin/policy-rc.d"
    own = f"#!/bin/sh\nexit {code}\n"
    policy.write_text(own)
    system.install_packages(["haproxy"])
    assert [during for _command, during in commands] == [own] * 3
    assert policy.exists()


def test_the_policy_of_a_killed_run_is_removed(host, commands):
    policy = host / "usr/sbin/policy-rc.d"
    policy.write_text(system._POLICY)
    system.install_packages(["haproxy"])
    assert [during for _command, during in commands] == [system._POLICY] * 3
    assert not policy.exists()


@pytest.mark.usefixtures("host")
def test_packages_of_the_cache_need_no_network(commands):
    system.install_packages(["cached"])
    assert [command[1] for command, _policy in commands] == ["install"]
    assert system._OFFLINE[-1] in commands[0][0]


@pytest.mark.usefixtures("host")
def test_no_network_is_asked_for_what_a_bundle_does_not_have(commands):
    system.install_packages(["cached"], offline=True)
    with pytest.raises(HostError, match="found no way to install haproxy from the bundle, expected it to have them"):
        system.install_packages(["haproxy"], offline=True)
    assert all(command[1] == "install" and system._OFFLINE[-1] in command for command, _policy in commands)


@pytest.mark.usefixtures("host")
def test_an_error_names_the_packages_and_the_remedies(commands):
    with pytest.raises(HostError) as error:
        system.install_packages(["conntrack", "broken"])
    assert str(error.value).startswith("packages: found no way to install conntrack, broken, expected them on the host, in apt's cache, or in a repository")
    assert "set a repository or cluster_http_proxy, and run again: apt-get: exit code 100" in str(error.value)


@pytest.mark.usefixtures("host")
def test_an_interrupted_installation_is_completed(commands):
    system.install_packages(["interrupted"])
    assert [command[:2] for command, _policy in commands] == [
        ("apt-get", "install"), ("dpkg", "--force-confold"), ("apt-get", "install"),
    ]  # fmt: skip
    assert {policy for _command, policy in commands} == {system._POLICY}


@pytest.mark.usefixtures("host")
def test_a_configuration_file_stays_where_a_package_has_its_own(commands):
    """dpkg would ask, and fail because nobody answers."""
    system.install_packages(["interrupted"])
    first, configuration, last = [command for command, _policy in commands]
    assert all("Dpkg::Options::=--force-confold" in command for command in (first, last))
    assert configuration == ("dpkg", "--force-confold", "--configure", "-a")


@pytest.fixture
def clock(monkeypatch):
    """A clock that only pauses advance."""
    moment = [0.0]
    monkeypatch.setattr(system.time, "monotonic", lambda: moment[0])
    monkeypatch.setattr(system.time, "sleep", lambda seconds: moment.__setitem__(0, moment[0] + seconds))
    return moment


@pytest.mark.parametrize("lock", ["/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock", "/var/lib/dpkg/lock-frontend"])
@pytest.mark.usefixtures("host")
def test_locks_are_waited_for(monkeypatch, clock, lock):
    ran = []

    def run(*arguments, environment):
        ran.append(arguments[1])
        if clock[0] < 100:
            raise HostError(f"apt-get: exit code 100: E: Could not get lock {lock}. It is held by process 7 (apt-get)")

    monkeypatch.setattr(system, "run", run)
    system.install_packages(["haproxy"])
    assert ran[-1] == "install" and "update" not in ran and clock[0] == 100


@pytest.mark.usefixtures("host")
def test_a_lock_is_waited_for_two_minutes(monkeypatch, clock):
    def run(*arguments, environment):
        raise HostError("apt-get: exit code 100: E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)")

    monkeypatch.setattr(system, "run", run)
    with pytest.raises(HostError, match=r"held by process 7 \(apt-get\)"):
        system.install_packages(["haproxy"])
    assert 120 <= clock[0] < 125


@pytest.mark.usefixtures("host")
def test_sysctls_are_read_and_set():
    assert system.sysctls(["net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables"]) == {"net.ipv4.ip_forward": "0"}
    system.apply_sysctls({"net.ipv4.ip_forward": "1"})
    assert system.sysctls(["net.ipv4.ip_forward"]) == {"net.ipv4.ip_forward": "1"}


@pytest.mark.usefixtures("host")
def test_a_failed_sysctl_is_named():
    with pytest.raises(HostError, match="sysctl net.bridge.x: cannot be set to 1: No such file"):
        system.apply_sysctls({"net.bridge.x": "1"})


def test_kernel_modules_are_loaded_or_built_in(host, monkeypatch):
    built_in = host / "lib/modules" / os.uname().release / "modules.builtin"
    built_in.parent.mkdir(parents=True)
    built_in.write_text("kernel/net/bridge/br-netfilter.ko\n")
    monkeypatch.setattr(system.os.path, "exists", lambda path: False)
    monkeypatch.setattr(system, "open", lambda *_arguments, **_options: io.StringIO("vxlan 155648 0 - Live 0x0\n"), raising=False)
    assert system.loaded_kernel_modules(["vxlan", "br_netfilter", "overlay"]) == ["vxlan", "br_netfilter"]


def test_the_kernel_of_a_container_is_not_managed(monkeypatch):
    monkeypatch.setattr(system.os.path, "exists", lambda path: path == "/run/systemd/container")
    assert system.loaded_kernel_modules(["vxlan"]) == ["vxlan"]

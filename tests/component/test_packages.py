# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Installation of a package by apt-get and dpkg, below a directory that replaces the root of the host."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import time

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import system

CONFIGURATION = "etc/haproxy/haproxy.cfg"
CONTROL = "Package: haproxy\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: has a configuration file\n"
APT = """
Dir "{root}";
Dir::State::status "{root}/var/lib/dpkg/status";
APT::Sandbox::User "root";
Acquire::Languages "none";
"""
HOLD = "import fcntl, sys, time; file = open(sys.argv[1], 'w'); fcntl.lockf(file, fcntl.LOCK_EX); print('held', flush=True); time.sleep(3)"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root installs packages")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The root of a host whose only source has one package, with a configuration file."""
    root, package, source = (tmp_path / name for name in ("root", "package", "source"))
    for directory in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/log/apt"):
        (root / directory).mkdir(parents=True)
    for directory in ("info", "updates", "triggers"):
        (root / "var/lib/dpkg" / directory).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    (root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:{source} ./\n")
    write(package / "DEBIAN/control", CONTROL)
    write(package / "DEBIAN/conffiles", f"/{CONFIGURATION}\n")
    write(package / CONFIGURATION, "# the distribution's\n")
    source.mkdir()
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", package, source / "haproxy.deb"], check=True, capture_output=True)
    archive = (source / "haproxy.deb").read_bytes()
    (source / "Packages").write_text(f"{CONTROL}Filename: ./haproxy.deb\nSize: {len(archive)}\nSHA256: {hashlib.sha256(archive).hexdigest()}\n")
    (tmp_path / "apt.conf").write_text(APT.format(root=root))
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    monkeypatch.setenv("DPKG_ROOT", str(root))
    monkeypatch.setattr(system, "_no_service_starts", contextlib.nullcontext)  # it would write to this machine
    return root


def write(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def is_installed(root: pathlib.Path) -> bool:
    return "Package: haproxy\nStatus: install ok installed\n" in (root / "var/lib/dpkg/status").read_text(encoding="utf-8")


def test_a_package_is_installed_by_a_user_without_the_administrators_path(root, monkeypatch):
    """Debian's su keeps the PATH of the user, and dpkg refuses to work with it."""
    monkeypatch.setenv("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/games")
    system.install_packages(["haproxy"])
    assert is_installed(root)
    assert (root / CONFIGURATION).read_text() == "# the distribution's\n"


def test_packages_of_a_local_repository_need_no_other_one(root, monkeypatch):
    """A repository that does not answer is next to it. Only the first installation reads the lists of packages."""
    commands, apt = [], system._apt
    monkeypatch.setattr(system, "_apt", lambda command, *options: commands.append(command) or apt(command, *options))
    sources = root / "etc/apt/sources.list"
    sources.write_text(f"{sources.read_text()}deb [trusted=yes] http://127.0.0.1:9/ ./\n")
    system.install_packages(["haproxy"])
    assert is_installed(root)
    subprocess.run(["dpkg", "--purge", "haproxy"], check=True, capture_output=True)
    system.install_packages(["haproxy"])
    assert is_installed(root)
    assert commands == ["install", "update", "install", "install"]


def test_a_package_that_no_repository_has_is_named_with_the_remedies(root):
    (root / "etc/apt/sources.list").write_text("deb [trusted=yes] http://127.0.0.1:9/ ./\n")
    with pytest.raises(HostError, match=r"packages: found no way to install haproxy, expected .* run again: .*Unable to locate package haproxy"):
        system.install_packages(["haproxy"])


def test_a_package_of_the_cache_is_installed_while_its_repository_is_gone(root):
    system.install_packages(["haproxy"])
    subprocess.run(["dpkg", "--purge", "haproxy"], check=True, capture_output=True)
    lists = root / "var/lib/apt/lists"
    for path in lists.glob("*Packages"):  # as if it were the list of a repository on the network
        path.rename(lists / "127.0.0.1:9_._Packages")
    (root / "etc/apt/sources.list").write_text("deb [trusted=yes] http://127.0.0.1:9/ ./\n")
    (root / "var/cache/apt/archives/haproxy_1.0_all.deb").write_bytes((root.parent / "source/haproxy.deb").read_bytes())
    system.install_packages(["haproxy"])
    assert is_installed(root)


def test_a_configuration_file_that_was_there_first_stays(root):
    write(root / CONFIGURATION, "# mine\n")
    system.install_packages(["haproxy"])
    assert is_installed(root)
    assert (root / CONFIGURATION).read_text() == "# mine\n"


def test_a_configuration_file_stays_when_a_killed_installation_is_completed(root):
    write(root / CONFIGURATION, "# mine\n")
    subprocess.run(["dpkg", "--unpack", root.parent / "source/haproxy.deb"], check=True, capture_output=True)
    # apt-get takes a record that dpkg has not merged yet for the sign of a killed dpkg.
    (root / "var/lib/dpkg/updates/0000").write_text((root / "var/lib/dpkg/status").read_text())
    system.install_packages(["haproxy"])
    assert is_installed(root)
    assert (root / CONFIGURATION).read_text() == "# mine\n"


def offer(root: pathlib.Path, version: str) -> None:
    """Replace the package of the source by another version."""
    source = root.parent / "source"
    write(root.parent / "package/DEBIAN/control", CONTROL.replace("1.0", version))
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", root.parent / "package", source / "haproxy.deb"], check=True, capture_output=True)
    archive = (source / "haproxy.deb").read_bytes()
    entry = f"Filename: ./haproxy.deb\nSize: {len(archive)}\nSHA256: {hashlib.sha256(archive).hexdigest()}\n"
    (source / "Packages").write_text(CONTROL.replace("1.0", version) + entry)


def version(root: pathlib.Path) -> str:
    return re.search("^Version: (.+)$", (root / "var/lib/dpkg/status").read_text(encoding="utf-8"), re.MULTILINE)[1]


def test_a_newer_package_is_upgraded_and_its_configuration_file_stays(root):
    system.install_packages(["haproxy"])
    write(root / CONFIGURATION, "# mine\n")
    assert system.upgradable_packages() == []
    offer(root, "1.1")
    assert system.upgradable_packages() == ["haproxy"] and version(root) == "1.0"
    system.upgrade_packages()
    assert system.upgradable_packages() == [] and version(root) == "1.1"
    assert (root / CONFIGURATION).read_text() == "# mine\n"


def test_a_held_package_stays_and_counts_as_installed(root, monkeypatch):
    system.install_packages(["haproxy"])
    subprocess.run(["apt-mark", "hold", "haproxy"], check=True, capture_output=True)
    offer(root, "1.1")
    assert system.upgradable_packages() == []
    monkeypatch.setattr(system, "Path", lambda path: root / path.lstrip("/"))
    assert system.installed_packages(["haproxy", "other"]) == ["haproxy"]


def test_an_upgrade_that_was_killed_is_completed(root):
    system.install_packages(["haproxy"])
    offer(root, "1.1")
    subprocess.run(["dpkg", "--unpack", root.parent / "source/haproxy.deb"], check=True, capture_output=True)
    (root / "var/lib/dpkg/updates/0000").write_text((root / "var/lib/dpkg/status").read_text())
    assert system.upgradable_packages() == ["haproxy"]
    system.upgrade_packages()
    assert is_installed(root) and version(root) == "1.1"


def test_a_repository_that_does_not_answer_is_not_one_without_newer_packages(root):
    (root / "etc/apt/sources.list").write_text("deb [trusted=yes] http://127.0.0.1:9/ ./\n")
    with pytest.raises(HostError, match=r"127\.0\.0\.1:9"):
        system.upgradable_packages()


@pytest.mark.parametrize("lock", ["var/lib/apt/lists/lock", "var/cache/apt/archives/lock", "var/lib/dpkg/lock-frontend"])
def test_a_lock_of_another_process_is_waited_for(root, lock):
    with subprocess.Popen([sys.executable, "-c", HOLD, root / lock], stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        begin = time.monotonic()
        system.install_packages(["haproxy"])
        assert holder.wait() == 0
    assert is_installed(root) and time.monotonic() - begin > 2

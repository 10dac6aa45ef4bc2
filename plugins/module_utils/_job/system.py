# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""System requirements of a job: packages, kernel modules, sysctls."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from pathlib import Path

from .._command import run
from .._errors import HostError

__all__ = (
    "ALL_OF_THEM", "apply_sysctls", "install_packages", "installed_packages", "load_kernel_modules", "loaded_kernel_modules", "spaced", "sysctls",
    "update_lists", "upgradable_packages", "upgrade_packages",
)  # fmt: skip

# The second line distinguishes it from an operator's policy.
_POLICY = "#!/bin/sh\n# Written by the Ansible collection cfcr.kubernetes while it installs packages.\nexit 101\n"

# Keep a file where a package has its own, instead of asking. A job writes its files after the installation.
_KEEP_FILES = "--force-confold"

# apt.conf(5): apt-get then installs from its cache and from local repositories only. (--no-download fails for packages of the latter.)
_OFFLINE = ("-o", "Dir::Bin::Methods::http=false", "-o", "Dir::Bin::Methods::https=false")

# New packages too: a new kernel is one.
_UPGRADE = ("--with-new-pkgs",)

# Without that, a repository that does not answer is only a warning.
ALL_OF_THEM = ("-o", "APT::Update::Error-Mode=any")

_LOCK_SECONDS = 120
_LOCK_PAUSE = 1


class _LockedError(HostError):
    """Another process has not released its lock in time."""


def installed_packages(names: list[str]) -> list[str]:
    """Return the packages that are installed, also held ones (dpkg(1): the first word is what somebody wants)."""
    there = set()
    for paragraph in Path("/var/lib/dpkg/status").read_text(encoding="utf-8").split("\n\n"):
        fields = paragraph.split("\n", 2)
        if len(fields) > 1 and re.fullmatch("Status: [a-z]+ ok installed", fields[1]):
            there.add(fields[0].partition(": ")[2])
    return [name for name in names if name in there]


def install_packages(names: list[str], *, offline: bool = False) -> None:
    """Install Debian packages without starting their services, since jobs have their units. Existing configuration files stay.

    Packages of a local repository or of apt's cache need no network, and no newer list of packages. With offline, others are refused.
    """
    with _no_service_starts():
        try:
            _install(*_OFFLINE, *names)
        except _LockedError:
            raise
        except HostError as error:
            if offline:
                raise HostError(
                    f"packages: found no way to install {', '.join(names)} from the bundle, expected it to have them for the versions of packages that this "
                    f"host has. Bring the host to the level of the bundle, or install them, and run again: {error}"
                ) from error
            _install_from_network(names)


def _install_from_network(names: list[str]) -> None:
    """Install packages of any repository. One that fails does not matter if another one has them."""
    problems = []
    try:
        update_lists()
    except _LockedError:
        raise
    except HostError as error:
        problems.append(str(error))
    try:
        _install(*names)
    except HostError as error:
        raise HostError(
            f"packages: found no way to install {', '.join(names)}, expected them on the host, in apt's cache, or in a repository of /etc/apt that the host "
            f"reaches. Install them, or set a repository or cluster_http_proxy, and run again: {'; '.join([*problems, str(error)])}"
        ) from error


def update_lists(*options: str) -> None:
    """Download the lists of packages."""
    _apt("update", *options)


def upgradable_packages() -> list[str]:
    """Download the lists of packages, and return the packages that an upgrade changes, adds or completes. Held ones stay."""
    update_lists(*ALL_OF_THEM)
    lines = map(str.split, _apt("upgrade", *_UPGRADE, "--simulate").splitlines())
    return sorted({words[1] for words in lines if len(words) > 1 and words[0] in ("Inst", "Conf")})


def upgrade_packages() -> None:
    """Upgrade all packages that can be without removing others. Existing configuration files stay.

    Their services restart as the distribution wants. A job restarts units whose program was replaced.
    """
    _change("upgrade", *_UPGRADE)


def _install(*options: str) -> None:
    _change("install", "--no-install-recommends", *options)


def _change(command: str, *options: str) -> None:
    options = ("--yes", "-o", f"Dpkg::Options::={_KEEP_FILES}", *options)
    try:
        _apt(command, *options)
    except HostError as error:
        # apt-get asks for it after a killed run, and only when it has the lock, so no other dpkg is running.
        if "dpkg --configure -a" not in str(error):
            raise
        _run("dpkg", _KEEP_FILES, "--configure", "-a")
        _apt(command, *options)


def _apt(command: str, *options: str) -> str:
    """Run apt-get. Wait while another process has one of apt's or dpkg's locks, as on a host that has just started."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            return _run("apt-get", command, "--quiet", *options)
        except HostError as error:
            # apt-get itself can wait for the locks of dpkg only, see DPkg::Lock::Timeout in apt.conf(5).
            if "Could not get lock" not in str(error):
                raise
            if time.monotonic() > deadline:
                raise _LockedError(str(error)) from error
        time.sleep(_LOCK_PAUSE)


def _run(*arguments: str) -> str:
    return run(*arguments, environment={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"})


@contextlib.contextmanager
def _no_service_starts():
    """Keep invoke-rc.d from starting services, see policy-rc.d(8). An operator's policy stays; one of a killed run is replaced."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists() and policy.read_text(encoding="utf-8", errors="replace") != _POLICY:
        yield
        return
    descriptor, temporary = tempfile.mkstemp(prefix=".policy-rc.d-", dir=policy.parent)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(_POLICY)
    os.chmod(temporary, 0o755)
    os.rename(temporary, policy)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)


def loaded_kernel_modules(names: list[str]) -> list[str]:
    """Return the loaded kernel modules. In a container all count as loaded, since the kernel belongs to the machine."""
    if os.path.exists("/run/systemd/container"):
        return list(names)
    with open("/proc/modules", encoding="ascii") as stream:
        there = {line.split()[0] for line in stream}
    with contextlib.suppress(OSError):
        built_in = Path(f"/lib/modules/{os.uname().release}/modules.builtin").read_text()
        there |= {Path(line).stem.replace("-", "_") for line in built_in.splitlines()}
    return [name for name in names if name in there]


def load_kernel_modules(names: list[str]) -> None:
    """Load kernel modules now. The caller writes the file that loads them at boot."""
    run("modprobe", "--all", *names)


def sysctls(names: list[str]) -> dict[str, str]:
    """Return the values of kernel parameters, with spaces between several numbers, which the kernel separates with tabs."""
    values = {}
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            values[name] = spaced(_sysctl_path(name).read_text())
    return values


def spaced(value: object) -> str:
    """Return a value of a kernel parameter with single spaces, to compare it."""
    return " ".join(str(value).split())


def apply_sysctls(values: dict[str, str]) -> None:
    """Set kernel parameters now. The caller writes the file that sets them at boot."""
    for name, value in values.items():
        try:
            _sysctl_path(name).write_text(value)
        except OSError as error:
            raise HostError(f"sysctl {name}: cannot be set to {value}: {error.strerror}") from error


def _sysctl_path(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""System requirements of a job: packages, kernel modules, sysctls."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from .._command import run
from .._errors import HostError

__all__ = ("apply_sysctls", "install_packages", "installed_packages", "load_kernel_modules", "loaded_kernel_modules", "sysctls")

# The second line distinguishes it from an operator's policy.
_POLICY = "#!/bin/sh\n# Written by the Ansible collection cfcr.kubernetes while it installs packages.\nexit 101\n"


def installed_packages(names: list[str]) -> list[str]:
    """Return the packages that are installed."""
    there = set()
    for paragraph in Path("/var/lib/dpkg/status").read_text(encoding="utf-8").split("\n\n"):
        fields = paragraph.split("\n", 2)
        if len(fields) > 1 and fields[1] == "Status: install ok installed":
            there.add(fields[0].partition(": ")[2])
    return [name for name in names if name in there]


def install_packages(names: list[str]) -> None:
    """Install Debian packages without starting their services, since jobs have their units."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    options = ("--yes", "--quiet", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120")
    with _no_service_starts():
        run("apt-get", "update", "--quiet", environment=environment)
        try:
            run("apt-get", "install", *options, *names, environment=environment)
        except HostError as error:
            # apt-get asks for it after a killed run, and only when it has the lock, so no other dpkg is running.
            if "dpkg --configure -a" not in str(error):
                raise
            run("dpkg", "--configure", "-a", environment=environment)
            run("apt-get", "install", *options, *names, environment=environment)


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
    """Return the values of kernel parameters."""
    values = {}
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            values[name] = _sysctl_path(name).read_text().strip()
    return values


def apply_sysctls(values: dict[str, str]) -> None:
    """Set kernel parameters now. The caller writes the file that sets them at boot."""
    for name, value in values.items():
        try:
            _sysctl_path(name).write_text(value)
        except OSError as error:
            raise HostError(f"sysctl {name}: cannot be set to {value}: {error.strerror}") from error


def _sysctl_path(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")

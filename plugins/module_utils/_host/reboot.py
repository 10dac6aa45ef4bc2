# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a host needs a reboot, read from files below a root, so that a test can have its own."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ("reboot_reason",)

_KERNEL = "vmlinuz-"


def reboot_reason(root: Path = Path("/"), running: str = "") -> str:
    """Return why the host needs a reboot, or nothing. In a container, the kernel belongs to the machine."""
    if (root / "run/reboot-required").exists():
        return "a package asks for it"
    if (root / "run/systemd/container").exists():
        return ""
    running = running or os.uname().release
    kernels = {path.name[len(_KERNEL) :]: path for path in (root / "boot").glob(f"{_KERNEL}*")}
    newest = max(kernels, key=_numbers, default=running)
    if _numbers(newest) > _numbers(running):
        return f"kernel {newest} is installed, {running} runs"
    # A package may have a newer kernel of the same name. The time of the change is that of its installation.
    replaced = running in kernels and kernels[running].stat().st_ctime > _booted(root)
    return f"kernel {running} was replaced since the boot" if replaced else ""


def _booted(root: Path) -> int:
    return int(re.findall("^btime ([0-9]+)$", (root / "proc/stat").read_text(encoding="ascii"), re.MULTILINE)[0])


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall("[0-9]+", release)))

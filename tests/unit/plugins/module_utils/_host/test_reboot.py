# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a host needs a reboot."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host.reboot import reboot_reason

KERNELS = ("boot/vmlinuz-6.1.0-9-amd64", "boot/vmlinuz-6.1.0-41-amd64")
# The kernels are installed when the test runs.
BEFORE, AFTER = 1_000_000_000, 9_000_000_000
OLD, NEW = "6.1.0-9-amd64", "6.1.0-41-amd64"


@pytest.mark.parametrize(
    ("files", "booted", "running", "reason"),
    [
        ((), AFTER, OLD, ""),
        (KERNELS, AFTER, NEW, ""),
        (KERNELS, BEFORE, NEW, "kernel 6.1.0-41-amd64 was replaced since the boot"),
        (KERNELS, AFTER, OLD, "kernel 6.1.0-41-amd64 is installed, 6.1.0-9-amd64 runs"),
        (KERNELS, BEFORE, "6.12.0-1-amd64", ""),
        ((*KERNELS, "run/systemd/container"), BEFORE, OLD, ""),
        (("run/reboot-required", "run/systemd/container"), AFTER, NEW, "a package asks for it"),
    ],
    ids=["no kernel", "newest", "replaced", "older", "newer than all", "container", "asked"],
)
def test_reason(tmp_path, files, booted, running, reason):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text(f"cpu 1 2\nbtime {booted}\nprocesses 7\n")
    for path in files:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert reboot_reason(tmp_path, running) == reason

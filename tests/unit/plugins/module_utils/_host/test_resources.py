# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Resources of a host, read from files."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host import resources


@pytest.fixture
def root(tmp_path):
    started = int((time.clock_gettime(time.CLOCK_BOOTTIME) - 100) * os.sysconf("SC_CLK_TCK"))
    files = {
        "proc/loadavg": "0.31 0.40 0.38 1/405 12345\n",
        "proc/meminfo": "MemTotal:        4096000 kB\nMemFree:  100 kB\nMemAvailable:    2048000 kB\n",
        "proc/1/stat": f"1 (a name) with) S {' '.join(['0'] * 18)} {started} 0 0\n",
        "proc/sys/kernel/random/boot_id": "5d0bf2d5\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def limit(root, text, used):
    (root / "sys/fs/cgroup").mkdir(parents=True)
    (root / "sys/fs/cgroup/memory.max").write_text(text)
    (root / "sys/fs/cgroup/memory.current").write_text(used)


def test_load_memory_and_uptime_are_reported(root):
    found = resources.resources(root)
    assert found["load"] == [0.31, 0.4, 0.38]
    assert found["memory"] == {"total_mib": 4000, "available_mib": 2000}
    assert 99 <= found["uptime"] <= 102
    assert found["boot_id"].startswith("5d0bf2d5/")


def test_the_memory_of_a_container_is_its_limit(root):
    limit(root, f"{1024**3}\n", f"{1024**3 // 4}\n")
    assert resources.resources(root)["memory"] == {"total_mib": 1024, "available_mib": 768}


@pytest.mark.parametrize("text", ["max\n", f"{2**63 - 4096}\n"])
def test_a_limit_without_a_value_is_ignored(root, text):
    limit(root, text, "1\n")
    assert resources.resources(root)["memory"]["total_mib"] == 4000


def test_a_file_system_is_measured_once(tmp_path):
    (tmp_path / "below").mkdir()
    measured = resources.disks([str(tmp_path), str(tmp_path / "below"), str(tmp_path / "missing")])
    assert list(measured) == [str(tmp_path)]
    assert 0 <= measured[str(tmp_path)]["used_percent"] <= 100

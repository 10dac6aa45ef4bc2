# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host.capability import CAP_SYS_MODULE, CAP_SYS_RESOURCE, has_capability

# Capabilities of process 1 in a virtual machine, and in a container without CAP_SYS_RESOURCE.
STATUS = "Name:\tsystemd\nCapPrm:\t0000000000000000\nCapEff:\t{effective}\nCapBnd:\t000001ffffffffff\n"


@pytest.mark.parametrize(("effective", "expected"), [("000001ffffffffff", True), ("000001fffeffffff", False), ("0000000000000000", False)])
def test_effective_capabilities_are_read(tmp_path, effective, expected):
    (tmp_path / "proc/1").mkdir(parents=True)
    (tmp_path / "proc/1/status").write_text(STATUS.format(effective=effective))
    assert has_capability(CAP_SYS_RESOURCE, process=1, root=tmp_path) is expected


def test_the_default_is_the_calling_process(tmp_path):
    for process, effective in (("self", "000001ffffffffff"), ("1", "0000000000000000")):
        (tmp_path / f"proc/{process}").mkdir(parents=True)
        (tmp_path / f"proc/{process}/status").write_text(STATUS.format(effective=effective))
    assert has_capability(CAP_SYS_MODULE, root=tmp_path)
    assert not has_capability(CAP_SYS_MODULE, process=1, root=tmp_path)

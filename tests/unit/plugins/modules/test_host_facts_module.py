# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module on this machine."""

from __future__ import annotations

import json
import os
import time

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.cfcr.kubernetes.plugins.modules import host_facts


def gather(capsys, **arguments):
    """Run the module and return its facts."""
    with patch_module_args(arguments), pytest.raises(SystemExit):
        host_facts.main()
    result = json.loads(capsys.readouterr().out)
    assert result["changed"] is False
    return result["ansible_facts"]["cfcr_host"]


def test_facts_are_those_that_are_documented(capsys):
    documented = yaml.safe_load(host_facts.RETURN)["ansible_facts"]["contains"]["cfcr_host"]["contains"]
    assert set(gather(capsys)) == set(documented) - {"error", "clock_offset"}  # those two are the action's


def test_values(capsys):
    facts = gather(capsys, disks=["/"], _ansible_check_mode=True)
    assert facts["euid"] == os.geteuid()
    assert abs(facts["time"] - time.time()) < 5
    assert facts["disks"]["/"]["total_mib"] >= facts["disks"]["/"]["free_mib"]
    assert facts["memory_mib"] > 0

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sandboxes of units, as systemd judges them. Scenario default does the same on living hosts, with the settings of all roles."""

from __future__ import annotations

import pathlib
import re
import subprocess

import pytest
import yaml
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import systemd

ROOT = pathlib.Path(__file__).parents[2]


def exposure(tmp_path: pathlib.Path, text: str) -> float:
    path = tmp_path / "test.service"
    path.write_text(text)
    shown = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(path)], check=True, capture_output=True, text=True
    ).stdout
    return float(re.search(r"Overall exposure level for test.service: ([0-9.]+)", shown)[1])


def unit(**options) -> str:
    defaults = {name: option.get("default") for name, option in systemd.UNIT.items()}
    return systemd.render({**defaults, "name": "test", "description": "test", "program": "/bin/true", **options})


@pytest.mark.parametrize("account", ["nobody", "root"])
def test_the_sandbox_of_jobs(tmp_path, account):
    assert exposure(tmp_path, unit(account=account)) <= 3.0
    assert exposure(tmp_path, unit(account=account, sandbox=False)) > 9


def test_the_sandbox_of_the_repair_timer(tmp_path):
    variables = yaml.safe_load((ROOT / "roles/director/vars/main.yml").read_text())
    settings = "".join(f"{name}={value}\n" for name, value in variables["__director_repair_sandbox"].items())
    assert exposure(tmp_path, f"[Service]\nExecStart=/bin/true\n{settings}") <= 5.0

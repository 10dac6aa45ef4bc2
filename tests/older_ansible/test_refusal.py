# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playbooks, run by a version of Ansible that is too old. Step ansible-2.18 names its ansible-playbook."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize("playbook", sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml")))
def test_a_playbook_refuses_it_in_one_line(playbook):
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")}
    command = [os.environ["CFCR_OLDER_ANSIBLE"], "--inventory=inventories/example/hosts.yml", f"playbooks/{playbook}.yml"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert done.returncode == 2 and output.count("fatal: ") == 1, output
    assert re.search(r"ansible-core: found 2\.18\.\d+, expected 2\.19 or later: pip install ", output), output

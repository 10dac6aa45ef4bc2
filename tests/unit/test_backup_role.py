# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables of role backup."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from _role_variables import renderer

render = renderer("backup/vars/main.yml")


@pytest.mark.parametrize(
    ("argument", "is_secret"),
    [
        ("backup_passphrase=x", True),
        ("backup_passphrase = x", True),
        ('{"backup_passphrase": "x"}', True),
        ("{'backup_passphrase':'x'}", True),
        ('{"backup_targets": [{"type": "s3", "secret_key": "x"}]}', True),
        ("@/etc/cfcr/backup.yml", False),
        ("@/etc/cfcr/passphrase.yml", False),
        ("--vault-password-file=/etc/cfcr/vault", False),
        ("backup_keep={'last': 3}", False),
    ],
)
def test_secrets_in_the_arguments_of_the_timer_are_found(argument, is_secret):
    assert bool(render("[argument] | select('search', __backup_secret)", argument=argument)) is is_secret


KILL = """
import subprocess
command = ["setpriv", "--pdeathsig=KILL", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", "echo; exec sleep 2"]
process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
process.stdout.readline()
process.kill()
"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv")
def test_a_director_that_is_a_host_of_etcd_can_end_the_scratch_etcd():
    """It runs as another user than the timer's."""
    bounds = render("__backup_sandbox.CapabilityBoundingSet").replace("CAP_", "+").lower().replace(" ", ",")

    def problem(bounds: str) -> str:
        command = ["setpriv", f"--bounding-set=-all,{bounds}", "--inh-caps=-all", "/usr/bin/python3", "-c", KILL]
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=30, check=False).stderr

    assert problem(bounds) == ""
    assert "PermissionError" in problem(bounds.replace("+kill,", ""))

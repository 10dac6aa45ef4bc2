# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual environments, created by the real venv and pip from a wheel that the test builds."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import virtual_environments as environments


@pytest.fixture
def environment(tmp_path):
    """An environment with package example 1.0, which prints hello."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel = wheels / "example-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("example.py", "print('hello')\n")
        archive.writestr("example-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: example\nVersion: 1.0\n")
        archive.writestr("example-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("example-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return {"path": str(tmp_path / "venv"), "requirements": f"example==1.0 --hash=sha256:{digest}\n", "wheels": str(wheels)}


def test_an_environment_is_created_once(environment):
    assert environments.actual(environment) is None
    environments.make(environment)
    assert environments.actual(environment) == environments.wanted(environment)
    done = subprocess.run([f"{environment['path']}/bin/python3", "-m", "example"], capture_output=True, text=True, check=True)
    assert done.stdout == "hello\n"
    assert environments.actual({**environment, "requirements": "other"}) == environments.wanted(environment)


def test_a_wheel_with_another_checksum_is_refused(environment):
    wrong = {**environment, "requirements": f"example==1.0 --hash=sha256:{'0' * 64}\n"}
    with pytest.raises(HostError, match="(?i)hash"):
        environments.make(wrong)
    assert environments.actual(wrong) is None

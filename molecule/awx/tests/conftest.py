# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs of AWX, and a cluster that the first job creates."""

from __future__ import annotations

import pytest
from _job import Awx
from scenario import CLUSTER, DIRECTORY, run


@pytest.fixture(scope="session")
def awx():
    # The smoke tests run kubectl on the director.
    run("podman", "cp", DIRECTORY / "bin/kubectl", f"{CLUSTER}-director-0:/usr/local/bin/kubectl")
    return Awx()


@pytest.fixture(scope="session")
def site(awx):
    """The job that creates the cluster."""
    job = awx.launch("playbooks/site.yml")
    assert job.code == 0, job.text
    return job

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store, which lies on the host director-0, as a copy that makes the controller the director."""

from __future__ import annotations

import pytest
from scenario import CLUSTER, DIRECTORY, run


@pytest.fixture(scope="session")
def ansibles_own():
    """Return an environment with Ansible's own settings, as users of the installed collection have them; Python is the one that lies."""
    empty = DIRECTORY / "ansible.cfg"
    empty.write_text("")
    return {"ANSIBLE_CONFIG": str(empty), "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3"}


@pytest.fixture(scope="session", autouse=True)
def copy_of_the_store():
    run("podman", "cp", f"{CLUSTER}-director-0:/var/lib/cfcr/molecule/.", DIRECTORY / "store")
    run("podman", "cp", f"{CLUSTER}-director-0:/root/kubeconfig", DIRECTORY / "kubeconfig")

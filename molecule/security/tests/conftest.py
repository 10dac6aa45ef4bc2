# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's default settings, and a copy of the store on host director-0, which lets the controller be the director."""

from __future__ import annotations

import pytest
from scenario import CLUSTER, DIRECTORY, run


@pytest.fixture(scope="session")
def default_settings():
    """Return an environment with Ansible's default settings, as users of the installed collection have; Python is the lying one."""
    empty = DIRECTORY / "ansible.cfg"
    empty.write_text("")
    return {"ANSIBLE_CONFIG": str(empty), "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3"}


@pytest.fixture(scope="session", autouse=True)
def copy_of_the_store():
    run("podman", "cp", f"{CLUSTER}-director-0:/var/lib/cfcr/molecule/.", DIRECTORY / "store")
    run("podman", "cp", f"{CLUSTER}-director-0:/root/kubeconfig", DIRECTORY / "kubeconfig")


def pytest_collection_modifyitems(items):
    """Take hosts over last."""
    items.sort(key=lambda item: item.path.name in ("test_lying_hosts.py", "test_overlay.py"))

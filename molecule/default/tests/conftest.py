# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the tests reach the cluster from outside: kubectl, and etcdctl with the certificates of others."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess

import pytest

DIRECTORY = pathlib.Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".local/molecule" / os.environ["MOLECULE_SCENARIO_NAME"]


@pytest.fixture(scope="session")
def kubectl():
    """Run kubectl as the administrator and return what it says, as a structure."""

    def run(*arguments: str) -> dict:
        command = [DIRECTORY / "bin/kubectl", "--kubeconfig", DIRECTORY / "kubeconfig", "--output", "json", *arguments]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    return run


@pytest.fixture
def etcdctl(host):
    """Run etcdctl on a member, with a client certificate that another host has."""
    directory = host.check_output("mktemp --directory")

    def run(owner, certificate: str, *arguments: str):
        for suffix in ("crt", "key"):
            content = owner.file(f"{certificate}.{suffix}").content_string
            host.run_expect([0], f"umask 077; cat > {directory}/client.{suffix} <<'EOF'\n{content}EOF")
        environment = f"ETCDCTL_CACERT=/etc/etcd/pki/ca.crt ETCDCTL_CERT={directory}/client.crt ETCDCTL_KEY={directory}/client.key"
        return host.run(f"{environment} /opt/cfcr/bin/etcdctl --endpoints https://127.0.0.1:2379 {' '.join(arguments)}")

    yield run
    host.run_expect([0], f"rm -r {directory}")

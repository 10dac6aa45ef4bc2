# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookups through Ansible itself: variables that are templates, options that override them, errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
ANSIBLE = Path(sys.executable).with_name("ansible")
VARIABLES = {
    "minor": "1.36",
    "base": "http://10.0.0.1",
    "cluster_kubernetes_version": "{{ minor }}",
    "cluster_artifact_source": "build",
    "cluster_artifact_mirror": "{{ base }}:8000",
    "cluster_artifact_checksums": {"runc/1.5.2/amd64/runc.amd64": "a" * 64, "images/pause/3.10.2/amd64/pause.tar": "b" * 64},
}


def look_up(expression: str, **variables: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [ANSIBLE, "localhost", "-i", "localhost,", "-c", "local", "-m", "ansible.builtin.assert", "-a", json.dumps({"that": [expression]})]
        + ["-e", json.dumps({**VARIABLES, **variables})],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param(
            "lookup('cfcr.kubernetes.artifacts', 'runc')[0].architectures.amd64.url == 'http://10.0.0.1:8000/runc/1.5.2/amd64/runc.amd64'",
            id="variables are templated, one name gives a list",
        ),
        pytest.param(
            "lookup('cfcr.kubernetes.artifacts', 'etcd', 'runc', source='upstream') | map(attribute='component') == ['etcd', 'runc']",
            id="an option overrides its variable, the order is kept",
        ),
        pytest.param(
            "lookup('cfcr.kubernetes.images', 'pause')[0].archive.architectures.amd64.sha256 == 'b' * 64",
            id="image archive",
        ),
        pytest.param("lookup('cfcr.kubernetes.images', 'pause', source='upstream')[0].archive is none", id="image from a registry"),
        pytest.param("lookup('cfcr.kubernetes.versions').catalog == '1.36'", id="versions"),
        pytest.param(
            "lookup('cfcr.kubernetes.artifacts', 'etcd', source='upstream', kubernetes_version={'kubernetes': '1.36.3', 'etcd': '3.6.15'})[0].version"
            " == '3.6.15'",
            id="the versions of a cluster",
        ),
        pytest.param(
            "lookup('cfcr.kubernetes.builds', 'kubernetes', 'runc', releases=['1.35', '1.36']) | map(attribute='version') == ['1.35.4', '1.5.2', '1.36.3']",
            id="builds of two releases",
        ),
        pytest.param(
            "lookup('cfcr.kubernetes.downloads', releases=['1.35', '1.36']) | selectattr('path', 'match', 'kubelet/') | map(attribute='architecture')"
            " == ['amd64', 'amd64']",
            id="downloads of two releases",
        ),
        pytest.param("lookup('cfcr.kubernetes.builds') | length > lookup('cfcr.kubernetes.builds', 'etcd') | length == 1", id="builds"),
    ],
)
def test_answers(expression: str) -> None:
    done = look_up(expression)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"minor": "1.34"}, "cluster_kubernetes_version: found '1.34', expected one of 1.35, 1.35.4, 1.36"),
        ({"cluster_artifact_source": "nirror"}, "cluster_artifact_source: found 'nirror', expected one of upstream, mirror, build, bundle"),
        ({"cluster_artifact_checksums": {}}, "cluster_artifact_checksums: found none of runc/1.5.2/amd64/runc.amd64"),
        ({"cluster_artifact_source": "bundle", "cluster_bundle": "/srv/none"}, "cluster_bundle: found /srv/none (No such file or directory), expected"),
    ],
)
def test_errors(variables: dict[str, object], says: str) -> None:
    done = look_up("lookup('cfcr.kubernetes.artifacts', 'runc') is defined", **variables)
    assert done.returncode != 0
    assert says in done.stdout + done.stderr

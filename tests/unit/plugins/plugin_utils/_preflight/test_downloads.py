# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Downloads without a pin are refused if pins are required."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog.catalog import resolve
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.downloads import check_downloads

A = "a" * 64
VERSIONS = resolve("1.36")


def values(**changes):
    return {
        "cluster_require_pins": True,
        "cluster_artifact_source": "upstream",
        "cluster_artifact_mirror": "",
        "cluster_artifact_checksums": {},
        **changes,
    }


def test_every_download_without_a_pin_is_named():
    problems = check_downloads(values(), VERSIONS, {"arm64"})
    assert {problem.subject for problem in problems} == {"cluster_require_pins"}
    (runc,) = [problem for problem in problems if "runc" in problem.found]
    assert runc.found == "no pin for runc 1.5.2 for arm64, https://github.com/opencontainers/runc/releases/download/v1.5.2/runc.arm64"
    assert runc.expected == "its SHA-256 in cluster_artifact_checksums, runc/1.5.2/arm64/runc.arm64"
    assert any("image pause" in problem.found for problem in problems)
    assert not any("kubelet" in problem.found or "amd64" in problem.found for problem in problems)


@pytest.mark.parametrize("changes", [{"cluster_require_pins": False}, {"cluster_artifact_source": "build", "cluster_artifact_mirror": "http://m"}])
def test_nothing_is_required(changes):
    assert check_downloads(values(**changes), VERSIONS, {"amd64"}) == []


def test_with_all_pins_there_is_no_problem():
    paths = [problem.expected.rpartition(", ")[2] for problem in check_downloads(values(), VERSIONS, {"amd64"})]
    assert paths and check_downloads(values(cluster_artifact_checksums=dict.fromkeys(paths, A)), VERSIONS, {"amd64"}) == []


def test_a_wrong_variable_is_a_problem():
    (problem,) = check_downloads(values(cluster_artifact_source="mirror", cluster_artifact_mirror="http://m"), VERSIONS, {"amd64"})
    assert "cluster_artifact_checksums: found none of kube-apiserver/" in problem.found

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs of AWX: the store outlives them, and they are no slices."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.job import check_job, job_number

VALUES = {"cluster_store_backend": "local", "cluster_store_directory": "/var/lib/cfcr/prod", "cluster_director": "localhost"}
JOB = {"awx_job_id": 7, "tower_job_id": 7, "awx_job_template_name": "prod site"}


def test_a_shell_keeps_its_store():
    assert not list(check_job(VALUES))


@pytest.mark.parametrize("variables", [{"awx_job_id": 7}, {"tower_job_id": "7"}])
def test_both_names_of_the_number_are_known(variables):
    assert job_number(variables) == "7"


@pytest.mark.parametrize("director", ["localhost", "127.0.0.1"])
def test_a_store_on_the_disk_of_a_job_is_refused(director):
    (problem,) = check_job({**VALUES, **JOB, "cluster_director": director})
    assert problem.subject == "credential store"
    assert "/var/lib/cfcr/prod in the container of AWX job 7" in problem.found
    assert problem.expected == "a host in group director, or cluster_store_backend: vault"


@pytest.mark.parametrize("values", [{"cluster_director": "director-0"}, {"cluster_store_backend": "vault"}])
def test_a_store_elsewhere_is_kept(values):
    assert not list(check_job({**VALUES, **JOB, **values}))


def test_slices_are_refused():
    (problem,) = check_job({**VALUES, **JOB, "cluster_director": "director-0", "awx_workflow_job_name": "prod site"})
    assert (problem.subject, problem.expected) == ("job template prod site", "job_slice_count 1, and no workflow of the same name")


def test_a_job_in_a_workflow_is_no_slice():
    assert not list(check_job({**VALUES, **JOB, "cluster_director": "director-0", "awx_workflow_job_name": "prod change"}))

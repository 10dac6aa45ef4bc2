# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules for jobs of AWX, whose disk is removed when they end."""

from __future__ import annotations

import typing as t

from .problems import Problem

__all__ = ("check_job", "job_number")

_CONTROLLERS = ("localhost", "127.0.0.1", "::1")


def job_number(variables: t.Mapping[str, t.Any]) -> str:
    """Return the ID of the job of AWX, or "" if this is none.

    AWX passes it to each job as an extra variable, which nothing overrides. Its environment variables are no sign: other schedulers set JOB_ID too,
    and an execution environment that a person runs has some of them.
    """
    return str(variables.get("awx_job_id") or variables.get("tower_job_id") or "")


def check_job(values: t.Mapping[str, t.Any]) -> t.Iterator[Problem]:
    """Check that the store outlives the job, and that the job has the whole inventory, given the variables of a host."""
    number = job_number(values)
    if not number:
        return
    if values["cluster_store_backend"] == "local" and values["cluster_director"] in _CONTROLLERS:
        found = f"{values['cluster_store_directory']} in the container of AWX job {number}, which AWX removes with all keys of the cluster when the job ends"
        yield Problem("credential store", found, "a host in group director, or cluster_store_backend: vault")
    # AWX runs slices as a workflow with the name of their job template, and says nothing else about them.
    template = values.get("awx_job_template_name") or values.get("tower_job_template_name")
    if template and template in (values.get("awx_workflow_job_name"), values.get("tower_workflow_job_name")):
        found = f"job {number} as a slice, which has only a part of the inventory"
        yield Problem(f"job template {template}", found, "job_slice_count 1, and no workflow of the same name")

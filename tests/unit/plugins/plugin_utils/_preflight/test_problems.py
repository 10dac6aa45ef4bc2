# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of problems."""

from __future__ import annotations

from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.problems import Problem, merge, report

ONE = Problem("cluster_api_port", "0", "a port")
TWO = Problem("cluster_name", "A", "a name")


def test_problem_of_every_host_is_the_variables():
    assert merge({"a": [ONE], "b": [ONE, TWO]}) == [ONE, Problem("cluster_name (b)", "A", "a name")]


def test_report_is_aligned_and_counts():
    assert report([ONE, Problem("w0", "user admin", "root")]).splitlines() == [
        "2 problems, and nothing was changed:",
        "  cluster_api_port: found 0, expected a port",
        "  w0:               found user admin, expected root",
    ]
    assert report([ONE]).startswith("1 problem, ")

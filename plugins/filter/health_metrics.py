# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: health_metrics
short_description: The health report as metrics for Prometheus
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns the report of M(cfcr.kubernetes.health_report) in the text format of Prometheus, for the textfile collector of node_exporter.
positional: _input
options:
  _input:
    description: The report.
    type: dict
    required: true
  cluster:
    description: Name of the cluster, which every metric has as label C(cluster).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the metrics
  ansible.builtin.debug:
    msg: "{{ health_report | cfcr.kubernetes.health_metrics(cluster=cluster_name) }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

import time

from ..plugin_utils._health.metrics import metrics


def health_metrics(report, cluster):
    """Return the metrics of the report."""
    return metrics(report, cluster, time.time())


class FilterModule:
    """The filter of this file."""

    def filters(self):
        """Return filters by name."""
        return {"health_metrics": health_metrics}

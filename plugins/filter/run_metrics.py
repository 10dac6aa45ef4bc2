# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: run_metrics
short_description: The time of a run as a metric for Prometheus
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns the current time as that of a successful run, in the text format of Prometheus, for the textfile collector of node_exporter.
positional: _input
options:
  _input:
    description: Name of the cluster, which the metric has as label C(cluster).
    type: str
    required: true
  playbook:
    description: Name of the playbook.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the metric
  ansible.builtin.debug:
    msg: "{{ cluster_name | cfcr.kubernetes.run_metrics(playbook='site') }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

import time

from ..plugin_utils._health.metrics import run_metrics as text


def run_metrics(cluster, playbook):
    """Return the metric of the run."""
    return text(playbook, cluster, time.time())


class FilterModule:
    """The filter of this file."""

    def filters(self):
        """Return filters by name."""
        return {"run_metrics": run_metrics}

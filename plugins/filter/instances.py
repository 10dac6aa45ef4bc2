# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a cluster's health for people and for programs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: instances
short_description: Show the hosts of a cluster
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns a report of M(cfcr.kubernetes.health_report) as a text, with a line for each host.
positional: _input, format
options:
  _input:
    description: The report.
    type: dict
    required: true
  format:
    description:
      - V(table) is for a terminal, V(json) for programs.
      - V(html) is one page that needs nothing else, with a picture of the topology and a timeline of the certificates.
    type: str
    choices: [table, json, html]
    default: table
  cluster:
    description: What is not in the report, C(name), C(topology) and C(certificate_days) of the cluster; for V(html).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show the instances
  ansible.builtin.debug:
    msg: "{{ health_report | cfcr.kubernetes.instances }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

import datetime
import json

from ansible.errors import AnsibleFilterError

from ..plugin_utils._instances.page import page
from ..plugin_utils._instances.table import table

_CONTENT = ("hosts", "cluster", "findings", "seconds")


def instances(report, format="table", cluster=None):
    """Return the report as a text."""
    content = {name: report[name] for name in _CONTENT}
    if format == "table":
        return table(content)
    if format == "json":
        return json.dumps(content, indent=2) + "\n"
    if format == "html":
        return page(content, cluster or {}, datetime.datetime.now(datetime.timezone.utc))
    raise AnsibleFilterError(f"format is {format}; allowed are table, json and html")


class FilterModule:
    """The filter of this file."""

    def filters(self):
        """Return filters by name."""
        return {"instances": instances}

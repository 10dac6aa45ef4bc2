# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The health report of a cluster for people and for programs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: instances
short_description: Show the hosts of a cluster
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Returns a report of M(cfcr.kubernetes.health_report) as text, with an overview of the hosts, the state of the cluster, and the findings.
positional: _input, format
options:
  _input:
    description: The report.
    type: dict
    required: true
  format:
    description:
      - V(table) is for a terminal, V(json) for programs.
      - V(summary) is JSON with the state of each host, the cluster's endpoint and etcd, and the findings. It is small enough for an artifact of AWX.
      - V(html) is a self-contained page with a picture of the topology and a timeline of the certificates.
    type: str
    choices: [table, json, html, summary]
    default: table
  cluster:
    description: Values that V(html) shows and the report does not have, C(name), C(topology) and C(certificate_expires_within_days).
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

_SUMMARY = ("group", "index", "address", "zone", "state", "error", "releases", "other_releases", "certificate_days_left")
_CONTENT = ("hosts", "cluster", "findings", "seconds")


def instances(report, format="table", cluster=None):
    """Return the report as text."""
    content = {name: report[name] for name in _CONTENT}
    if format == "table":
        return table(content)
    if format == "json":
        return json.dumps(content, indent=2) + "\n"
    if format == "summary":
        return json.dumps(_summary(content), indent=2) + "\n"
    if format == "html":
        return page(content, cluster or {}, datetime.datetime.now(datetime.timezone.utc))
    raise AnsibleFilterError(f"format is {format}; expected table, json, html or summary")


def _summary(content):
    """Return the states of the hosts, without their units, certificates and resources."""
    hosts = {name: {key: row[key] for key in _SUMMARY if key in row} for name, row in content["hosts"].items()}
    return {"hosts": hosts, "cluster": {key: content["cluster"][key] for key in ("endpoint", "etcd", "versions")}, "findings": content["findings"]}


class FilterModule:
    """The filter of this file."""

    def filters(self):
        """Return filters by name."""
        return {"instances": instances}

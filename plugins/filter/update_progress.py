# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The progress of an update."""

from __future__ import annotations

DOCUMENTATION = r"""
name: update_progress
short_description: Return what is left of an update
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Takes a record of M(cfcr.kubernetes.update_record), and returns what is left for the plays of playbook C(update).
options:
  _input:
    description: The record.
    type: dict
    required: true
  hosts:
    description: The hosts that answer. The plan's other hosts are left out.
    type: list
    elements: str
    required: true
  until:
    description: The last phase of this run.
    type: str
    default: end
  soak_hours:
    description: How long all masters emulate the former minor.
    type: float
    default: 0
  drain:
    description: With V(never), no worker of the plan is drained.
    type: str
    default: auto
  skip_drain:
    description: Workers that are not drained, whatever the plan says.
    type: list
    elements: str
    default: []
  step:
    description: Number of the step that runs, from 0 on.
    type: int
    default: 0
  batch:
    description: Hosts that are next.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show what is left of an update
  ansible.builtin.debug:
    msg: "{{ (update_record.record | cfcr.kubernetes.update_progress(groups['all'])).text }}"
"""

RETURN = r"""
_value:
  description:
    - C(text) is the plan as lines. C(slots) has the hosts and the sizes of batches for each play. C(complete) tells whether all hosts are done.
    - C(downloads) has by host the C(components) and C(versions) that it needs next.
    - C(recreates) are the hosts that are still to be recreated, also those that do not answer.
    - C(drain) has the reason by worker of the step that is drained.
    - C(stop) says why the batch must not begin, C(line) which part of the update it is. C(soaks_until) is the time when masters may stop to emulate, if
      it is not over.
  type: dict
"""

import datetime

from ansible.errors import AnsibleFilterError

from ..plugin_utils._update.plan import PHASES
from ..plugin_utils._update.progress import END, among, downloads, drained, is_complete, recreates, slots, soak, stop
from ..plugin_utils._update.text import progress, text


_NOTHING = {
    "text": [], "slots": slots({"steps": []}), "downloads": {}, "complete": False, "recreates": [], "drain": {}, "soaks_until": "", "stop": "", "line": "",
}  # fmt: skip


def update_progress(record, hosts, until=END, soak_hours=0, drain="auto", skip_drain=(), step=0, batch=()):
    """Return what is left."""
    if until not in (*PHASES, END):
        raise AnsibleFilterError(f"update_until: found {until!r}, expected one of {', '.join((*PHASES, END))}")
    if not record:
        return {**_NOTHING}
    record = drained(record, drain, skip_drain)
    left = among(record, hosts)
    soaks_until = soak(left, float(soak_hours), datetime.datetime.now(datetime.timezone.utc))
    return {
        "text": text(record),
        "slots": slots(left, until),
        "downloads": downloads(left),
        "complete": is_complete(left),
        "recreates": recreates(record),
        "drain": record["steps"][step]["drain"] if record["steps"] else {},
        "soaks_until": soaks_until,
        "stop": stop(left, step, batch, soaks_until) if batch else "",
        "line": progress(left, step, batch) if batch else "",
    }


class FilterModule:
    """The filter of this file."""

    def filters(self):
        """Return filters by name."""
        return {"update_progress": update_progress}

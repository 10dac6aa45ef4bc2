# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rotation_report
short_description: Decide and report the steps of a rotation
version_added: "0.9.0"
description:
  - Takes the steps of a run of C(rotate.yml), and returns which rotations go on, and texts about all of them. It changes nothing.
author:
  - The cfcr.kubernetes maintainers (@cfcr)
positional: _input, names
options:
  _input:
    description:
      - The steps. Each has C(at), seconds since 1970, and C(rotations), as module M(cfcr.kubernetes.credential_rotation) returns them.
      - The first step has C(since), the time before which certificates were created that are reissued.
    type: list
    elements: dict
    required: true
  names:
    description: The names that the operator gave, as filter P(cfcr.kubernetes.rotation_choice#filter) returns them.
    type: list
    elements: str
    required: true
seealso:
  - module: cfcr.kubernetes.credential_rotation
"""

EXAMPLES = r"""
- name: Show what a run has done
  ansible.builtin.debug:
    msg: "{{ (steps | cfcr.kubernetes.rotation_report(['etcd'])).report }}"
  vars:
    steps:
      - at: 1790000000
        since: "2026-09-21T14:13:20Z"
        rotations:
          - {name: etcd, kind: authority, before: "", phase: trust, since: "", waits: ""}
"""

RETURN = r"""
_value:
  description:
    - C(going) lists the records that go on by one phase. A rotation that waits does so for the rest of the run.
    - C(rewrites_secrets) says whether the Secrets in etcd must be encrypted with the new key now.
    - C(plan) has lines about what the run is about to do, C(report) lines about what it has done and what the operator must do.
  type: dict
  sample:
    going: [etcd]
    rewrites_secrets: false
    plan: ["etcd: begins with phase trust: the new one is trusted as well, the old one is in use"]
    report: ["etcd: trust: the new one is trusted as well, the old one is in use"]
"""

import typing as t

from ..plugin_utils._rotation.report import going, plan_lines, report_lines, rewrites_secrets


def rotation_report(steps: list[dict[str, t.Any]], names: list[str]) -> dict[str, t.Any]:
    """Return what goes on, and the texts."""
    return {
        "going": going(steps),
        "rewrites_secrets": rewrites_secrets(steps),
        "plan": plan_lines(steps, names),
        "report": report_lines(steps, names),
    }


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict:
        """Return filters by name."""
        return {"rotation_report": rotation_report}

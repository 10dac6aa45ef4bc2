# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rotation_choice
short_description: Select the records of a store to rotate
version_added: "0.9.0"
description:
  - Turns the variable C(rotate) of playbook P(cfcr.kubernetes.rotate#playbook) into names, and the records of the store behind them.
  - Fails if a name is unknown.
author:
  - The cfcr.kubernetes maintainers (@cfcr)
options:
  _input:
    description: The names.
    type: list
    elements: str
    required: true
seealso:
  - plugin: cfcr.kubernetes.rotation_report
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the records behind two names
  ansible.builtin.debug:
    msg: "{{ (['etcd', 'encryption'] | cfcr.kubernetes.rotation_choice).records }}"
"""

RETURN = r"""
_value:
  description: C(names), and C(records). The certificates of hosts have no record.
  type: dict
  sample: {names: [etcd, encryption], records: [etcd, encryption-at-rest]}
"""

from ansible.errors import AnsibleFilterError

from ..plugin_utils._rotation.choice import records


def rotation_choice(names: list[str]) -> dict[str, list[str]]:
    """Return names and records."""
    try:
        return {"names": names, "records": records(names)}
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict:
        """Return filters by name."""
        return {"rotation_choice": rotation_choice}

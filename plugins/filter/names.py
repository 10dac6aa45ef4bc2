# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: names
short_description: List the names in a variable of an operator
version_added: "1.0.0"
description:
  - The command line and surveys of AWX give a variable as one text, for example C(-e remove=worker-0,worker-1). Inventories give a list.
  - Names are stripped of white space, and each is listed once.
author:
  - The cfcr.kubernetes maintainers (@cfcr)
options:
  _input:
    description: The names, as a list or with commas between them.
    type: raw
    required: true
seealso:
  - plugin: cfcr.kubernetes.rotation_choice
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the hosts that are not drained
  ansible.builtin.debug:
    msg: "{{ 'worker-0, worker-1' | cfcr.kubernetes.names }}"
"""

RETURN = r"""
_value:
  description: The names.
  type: list
  elements: str
  sample: [worker-0, worker-1]
"""


def names(value) -> list[str]:
    """Return the names in a list or a text."""
    texts = value if isinstance(value, (list, tuple)) else [value]
    return list(dict.fromkeys(name.strip() for text in texts for name in str(text).split(",") if name.strip()))


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict:
        """Return filters by name."""
        return {"names": names}

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: port
short_description: Return the port of a component
version_added: "0.9.0"
description:
  - Returns a port of C(catalog/ports.yml) by its C(name) there. Role P(cfcr.kubernetes.cluster#role) offers the ports that more than one
    role needs as variables.
author:
  - The cfcr.kubernetes maintainers (@cfcr)
options:
  _terms:
    description: Names of ports.
    type: list
    elements: str
    required: true
seealso:
  - plugin: cfcr.kubernetes.firewall
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Show the port of the API servers
  ansible.builtin.debug:
    msg: "{{ lookup('cfcr.kubernetes.port', 'api_server') }}"
"""

RETURN = r"""
_raw:
  description: The ports. A range such as 30000-32767 is text.
  type: list
  elements: raw
  sample: [8443]
"""

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..plugin_utils._catalog.catalog import CatalogError
from ..plugin_utils._catalog.ports import port_number


class LookupModule(LookupBase):
    """Ports by name."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[int | str]:
        """Return the ports."""
        try:
            return [port_number(name) for name in terms]
        except CatalogError as error:
            raise AnsibleLookupError(str(error)) from error

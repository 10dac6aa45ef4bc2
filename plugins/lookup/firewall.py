# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: firewall
short_description: Return the ports that a firewall must open to a group of hosts
description:
  - Returns the ports of a group that other hosts and users connect to, from C(catalog/ports.yml), which preflight and the documentation use too.
version_added: "0.9.0"
author:
  - The cfcr.kubernetes maintainers (@cfcr)
options:
  _terms:
    description: One group, for example V(master).
    type: list
    elements: str
    required: true
  balanced:
    description:
      - Ports that load balancers connect to, for traffic and health checks. If it is set, users connect through load balancers only.
    type: list
    elements: int
"""

EXAMPLES = r"""
- name: Show the open ports of a master behind a load balancer
  ansible.builtin.debug:
    msg: "{{ lookup('cfcr.kubernetes.firewall', 'master', balanced=[8443]) }}"
"""

RETURN = r"""
_raw:
  description:
    - One element, the list of openings, so that C(lookup) returns that list.
    - Each has C(protocol), C(first), C(last), C(purpose) and C(client), which is a group of hosts, V(pods), V(users), V(director),
      V(load balancer) or V(routers), those of Cloud Foundry.
  type: list
  elements: list
"""

import typing as t

from ansible.plugins.lookup import LookupBase

from ..plugin_utils._catalog.firewall import openings
from ..plugin_utils._preflight.contract import Contract


class LookupModule(LookupBase):
    """Open ports of a group."""

    def run(self, terms: list[str], variables: dict[str, t.Any], **kwargs: t.Any) -> list[list[dict[str, t.Any]]]:
        """Return the list as the only element, so that lookup() returns it unchanged."""
        self.set_options(direct=kwargs)
        contract = Contract(self._loader)
        return [[opening for group in terms for opening in openings(contract.ports, group, contract.of(variables), self.get_option("balanced"))]]

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: firewall
short_description: What a firewall must let through to a group of hosts
description:
  - Returns the ports that others connect to on the hosts of a group, made of the list that preflight and the documentation are made of.
version_added: "0.1.0"
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
      - Ports that load balancers connect to, traffic and health. Where it is set, users come through load balancers, and the load balancers
        connect to these ports only.
    type: list
    elements: int
"""

EXAMPLES = r"""
- name: Show what must reach a master behind a load balancer
  ansible.builtin.debug:
    msg: "{{ lookup('cfcr.kubernetes.firewall', 'master', balanced=[8443]) }}"
"""

RETURN = r"""
_raw:
  description:
    - One element, the list of openings, so that C(lookup) returns that list. Each has C(protocol), C(first), C(last), C(purpose) and a
      C(client), a group of hosts or one of V(pods), V(users), V(director), V(load balancer).
  type: list
  elements: list
"""

import typing as t

from ansible.plugins.lookup import LookupBase

from ..plugin_utils._catalog.firewall import openings
from ..plugin_utils._preflight.contract import Contract


class LookupModule(LookupBase):
    """Ports of a group that others connect to."""

    def run(self, terms: list[str], variables: dict[str, t.Any], **kwargs: t.Any) -> list[list[dict[str, t.Any]]]:
        """Return the answer as the one element that lookup() gives back as it is."""
        self.set_options(direct=kwargs)
        contract = Contract(self._loader)
        return [[opening for group in terms for opening in openings(contract.ports, group, contract.of(variables), self.get_option("balanced"))]]

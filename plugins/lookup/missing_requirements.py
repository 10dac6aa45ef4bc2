# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: missing_requirements
short_description: Return the requirements of a provider that the controller lacks
description:
  - Compares what is installed on the controller with C(requirements-<provider>.yml) and C(requirements-<provider>.txt) of this collection.
  - It looks for libraries in the Python of C(ansible-playbook). If tasks on localhost run with another Python, set C(ansible_python_interpreter)
    there to C({{ ansible_playbook_python }}).
version_added: "0.9.0"
author:
  - The cfcr.kubernetes maintainers (@cfcr)
options:
  _terms:
    description: Names of providers, for example V(aws). A provider without such files has no requirements.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Check the requirements of the provider aws
  ansible.builtin.assert:
    that: lookup('cfcr.kubernetes.missing_requirements', 'aws') == []
    fail_msg: "{{ lookup('cfcr.kubernetes.missing_requirements', 'aws') }}"
"""

RETURN = r"""
_raw:
  description: One element, the list of requirements that are not met, so that C(lookup) returns that list.
  type: list
  elements: list
  sample: [["found no collection amazon.aws, expected >=10.1.0: ansible-galaxy collection install --upgrade -r requirements-aws.yml"]]
"""

import typing as t

from ansible.plugins.lookup import LookupBase

from ..plugin_utils._preflight.requirements import missing


class LookupModule(LookupBase):
    """Requirements of providers that are not met."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[list[str]]:
        """Return the answer as one element, which lookup() returns as it is."""
        self.set_options(var_options=variables, direct=kwargs)
        return [[problem for provider in terms for problem in missing(provider)]]

#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gather facts of the director."""

from __future__ import annotations

DOCUMENTATION = r"""
module: director_facts
short_description: Gather facts of the director
version_added: "0.9.0"
description:
  - Returns whether a host can be the director, and which CAs its credential store has. It changes nothing.
  - Action M(cfcr.kubernetes.preflight) runs it.
author: The cfcr.kubernetes maintainers (@cfcr)
extends_documentation_fragment: [cfcr.kubernetes._attributes.info, cfcr.kubernetes._store]
seealso:
  - module: cfcr.kubernetes.preflight
  - module: cfcr.kubernetes.certificate_authority
"""

EXAMPLES = r"""
- name: Gather facts of the director
  cfcr.kubernetes.director_facts:
    store:
      directory: /var/lib/cfcr/cfcr
  delegate_to: "{{ cluster_director }}"
"""

RETURN = r"""
ansible_facts:
  description: Facts to add to ansible_facts.
  returned: success
  type: dict
  contains:
    cfcr_director:
      description: Facts of the director.
      returned: success
      type: dict
      contains:
        python_version:
          description: Version of Python.
          returned: success
          type: str
          sample: 3.11.2
        python:
          description: Path of that Python.
          returned: success
          type: str
          sample: /usr/bin/python3
        cryptography:
          description: Version of its library cryptography, which makes keys and signs certificates; V(null) if it is missing.
          returned: success
          type: str
          sample: 42.0.8
        store:
          description: Where the store is.
          returned: success
          type: str
          sample: /var/lib/cfcr/cfcr
        authorities:
          description: SHA-256 of the certificates of each CA in the store, by name; empty if there is no store yet.
          returned: success
          type: dict
          sample: {etcd: [0f5d8f2c1a3e4b60c2d9a77c5ad1b93f5c0e3f9e6a2b4d8871c6f3b2a9e0d417]}
        versions:
          description: The versions of the cluster's components, by project, as the store has them; empty if it has no record.
          returned: success
          type: dict
          sample: {catalog: "1.36", kubernetes: 1.36.3, etcd: 3.6.16}
        reached:
          description: During an update, the versions of hosts that are done with a step of it, and the minor version that masters emulate, by host.
          returned: success
          type: dict
          sample: {master-0: {versions: {catalog: "1.36", kubernetes: 1.36.3, etcd: 3.6.16}, emulated: "1.35"}}
        following:
          description: During an update, the same of the next step of each host, in its plan and in those before it that were given up, the oldest one first.
          returned: success
          type: dict
          sample: {worker-0: [{versions: {catalog: "1.36", kubernetes: 1.36.3, etcd: 3.6.16}, emulated: ""}]}
        restore:
          description: The backup, phase and time of a restore that has begun and not finished, else empty.
          returned: success
          type: dict
          sample: {}
        time:
          description: The director's clock, in seconds since 1970 (UTC), while the module ran.
          returned: success
          type: float
          sample: 1795255000.25
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._credentials.facts import director_facts
from ..module_utils._errors import HostError
from ..module_utils._store.options import STORE


def main() -> None:
    """Gather the facts."""
    module = AnsibleModule(argument_spec=STORE, supports_check_mode=True)
    try:
        facts = {**director_facts(module.params), "time": time.time()}
    except HostError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, ansible_facts={"cfcr_director": facts})


if __name__ == "__main__":
    main()

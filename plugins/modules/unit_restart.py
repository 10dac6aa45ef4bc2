#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restart units and wait until they are healthy."""

from __future__ import annotations

DOCUMENTATION = r"""
module: unit_restart
short_description: Restart units of jobs and wait until they are healthy
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Restarts units of jobs of M(cfcr.kubernetes.job), and waits until the health checks in the descriptors of these jobs succeed.
  - The module does not fail if a unit is not healthy in time. It reports the unit in RV(problems), since another repair may help.
extends_documentation_fragment: [cfcr.kubernetes._attributes]
attributes:
  diff_mode:
    support: none
  idempotent:
    support: none
    details: It restarts the units each time.
options:
  units:
    description: Names of the units, without C(.service).
    type: list
    elements: str
    required: true
  timeout:
    description: Seconds to wait for the health of the units.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Restart etcd
  cfcr.kubernetes.unit_restart:
    units: [etcd]
"""

RETURN = r"""
problems:
  description: Problems of the units that are not healthy, by unit.
  type: dict
  returned: success
  sample: {etcd: "http://127.0.0.1:2381/readyz: answered 503"}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._errors import HostError
from ..module_utils._job import descriptor, systemd, watch


def main() -> None:
    """Restart the units and wait."""
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "list", "elements": "str", "required": True},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    names = module.params["units"]
    if module.check_mode:
        module.exit_json(changed=True, problems={})
    try:
        known = {unit["name"]: unit["health"] for unit in watch.units_of(descriptor.read_all())}
        for name in names:
            systemd.restart(name)
        units = [{"name": name, "health": known.get(name, [])} for name in names]
        module.exit_json(changed=True, problems=watch.wait(units, 0, module.params["timeout"]))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

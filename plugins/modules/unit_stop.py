#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stop units."""

from __future__ import annotations

DOCUMENTATION = r"""
module: unit_stop
short_description: Stop units of systemd, as far as they run
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Stops units and waits for that. A unit that the host does not have counts as stopped. They stay enabled, so M(cfcr.kubernetes.job) starts them again.
extends_documentation_fragment: [cfcr.kubernetes._attributes]
options:
  units:
    description: Names of the units, without C(.service). By default all units of the host's jobs.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Stop the control plane
  cfcr.kubernetes.unit_stop:
    units: [kube-apiserver, kube-controller-manager, kube-scheduler]
"""

RETURN = r"""
units:
  description: The units that were stopped, or would be in check mode.
  type: list
  elements: str
  returned: success
  sample: [kube-apiserver]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._command import run
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import descriptor, systemd, watch
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish

STOPPED = ("inactive", "failed")


def main() -> None:
    """Stop the units."""
    module = AnsibleModule(argument_spec={"units": {"type": "list", "elements": "str"}}, supports_check_mode=True)
    try:
        names = module.params["units"]
        if names is None:
            names = [unit["name"] for unit in watch.units_of(descriptor.read_all())]
        states = systemd.show(names, "ActiveState") if names else {}
        running = [name for name, state in states.items() if state["ActiveState"] not in STOPPED]
        before, after = ({"units": dict.fromkeys(running, state)} for state in ("running", "stopped"))
        finish(module, before, after, lambda: run("systemctl", "stop", *(f"{name}.service" for name in running)), units=running)
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reboot a host. The action of the same name waits until it is back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_reboot
short_description: Reboot a host and wait until it is back
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Reboots a host by systemd, and waits until the host answers from another boot. A container that is a host counts as well, if something starts it again.
  - M(cfcr.kubernetes.host_watch) then waits for its units.
extends_documentation_fragment: [cfcr.kubernetes._attributes, cfcr.kubernetes._attributes.action]
attributes:
  diff_mode:
    support: none
  idempotent:
    support: none
    details: It reboots the host each time.
options:
  timeout:
    description: The most seconds to wait for the host.
    type: int
    default: 600
  former:
    description: ID of the boot before, with which the host is only queried. For the action only.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Reboot the host
  cfcr.kubernetes.host_reboot:
"""

RETURN = r"""
boot_id:
  description: ID of the host's current boot.
  returned: success
  type: str
  sample: 5d0bf2d5-5f1c-4c0a-b0d3-2f6b1b2f1f0e/12
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._command import run
from ..module_utils._errors import HostError
from ..module_utils._host.resources import boot


def main() -> None:
    """Have systemd reboot the host in a second, when this answer is out."""
    module = AnsibleModule(
        argument_spec={"timeout": {"type": "int", "default": 600}, "former": {"type": "str", "default": ""}},
        supports_check_mode=True,
    )
    boot_id, _uptime = boot()
    if module.params["former"]:
        module.exit_json(changed=False, boot_id=boot_id)
    try:
        if not module.check_mode:
            run("systemd-run", "--quiet", "--on-active=1", "--timer-property=AccuracySec=100ms", "systemctl", "reboot")
    except HostError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=True, boot_id=boot_id)


if __name__ == "__main__":
    main()

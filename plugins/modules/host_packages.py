#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Upgrade the packages of the distribution."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_packages
short_description: Upgrade the packages of a host's distribution
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Reads the lists of packages from the repositories of the host, and upgrades all packages that can be upgraded without removing others. New packages that
    they need, such as another kernel, are installed. Held packages stay, and so do configuration files.
  - A repository that does not answer is a failure, since a former list of packages does not tell what there is to upgrade.
  - Tells whether the host then needs a reboot. M(cfcr.kubernetes.host_reboot) reboots it.
extends_documentation_fragment: [cfcr.kubernetes._attributes]
attributes:
  check_mode:
    details: The lists of packages are read in check mode as well, and no package is changed.
  diff_mode:
    support: none
"""

EXAMPLES = r"""
- name: Upgrade the packages of the host
  cfcr.kubernetes.host_packages:
"""

RETURN = r"""
packages:
  description: Packages that were upgraded or installed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [linux-image-6.1.0-41-amd64, linux-image-amd64, openssl]
reboot:
  description: Why the host needs a reboot. Empty if it needs none.
  returned: success
  type: str
  sample: kernel 6.1.0-41-amd64 is installed, 6.1.0-40-amd64 runs
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._errors import HostError
from ..module_utils._host.reboot import reboot_reason
from ..module_utils._job import system


def main() -> None:
    """Upgrade the packages."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        packages = system.upgradable_packages()
        if packages and not module.check_mode:
            system.upgrade_packages()
    except HostError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(packages), packages=packages, reboot=reboot_reason())


if __name__ == "__main__":
    main()

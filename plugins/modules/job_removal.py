#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Remove all jobs of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job_removal
short_description: Remove all jobs of a host
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Stops every service that M(cfcr.kubernetes.job) has installed, ends the pods, and deletes keys, certificates, configuration and units of the jobs,
    the data of etcd, kubelet and containerd, and tables and interfaces in the kernel.
  - Packages, accounts, programs in C(/opt/cfcr), kernel parameters and logs stay, and everything that no job has installed.
  - Volumes of pods are unmounted, not deleted. The module fails if one stays mounted, before it deletes anything of pods.
  - It may be interrupted at any point and run again.
extends_documentation_fragment: [cfcr.kubernetes._attributes]
seealso:
  - module: cfcr.kubernetes.job
"""

EXAMPLES = r"""
- name: Remove all jobs of this host
  cfcr.kubernetes.job_removal:
"""

RETURN = r"""
jobs:
  description: The jobs that were removed, or would be in check mode.
  type: list
  elements: str
  returned: success
  sample: [containerd, dns, firewall, flannel, kube-proxy, kubelet]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job.removal import Removal
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish


def main() -> None:
    """Remove the jobs."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        removal = Removal()
        finish(module, {"jobs": removal.names}, {"jobs": []}, removal.apply, jobs=removal.names)
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

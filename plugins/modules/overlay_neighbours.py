#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Delete routes to hosts that have left the overlay network."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_neighbours
short_description: Delete routes to hosts that have left the overlay network
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Deletes the routes, neighbours and entries of the forwarding table that flanneld has added for hosts other than O(keep). A flanneld that did not run
    when the lease of such a host ended never deletes them.
  - Run it after M(cfcr.kubernetes.flannel_lease), so that flanneld does not add them again.
extends_documentation_fragment: [cfcr.kubernetes._attributes]
options:
  keep:
    description: Addresses of the hosts of the overlay network.
    type: list
    elements: str
    required: true
  interface:
    description: Interface of the overlay network. Without it, there is nothing to delete.
    type: str
    default: flannel.1
seealso:
  - module: cfcr.kubernetes.flannel_lease
"""

EXAMPLES = r"""
- name: Delete routes to hosts that have left
  cfcr.kubernetes.overlay_neighbours:
    keep: ["10.0.0.21", "10.0.0.22"]
"""

RETURN = r"""
hosts:
  description: Addresses of the hosts whose routes were deleted, or would be in check mode.
  type: list
  elements: str
  returned: success
  sample: ["10.0.0.23"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host.neighbours import forget, read, stale
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host.routes import VXLAN
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish

SPEC = {"keep": {"type": "list", "elements": "str", "required": True}, "interface": {"type": "str", "default": VXLAN}}


def main() -> None:
    """Delete the routes."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    interface = module.params["interface"]
    try:
        wrong = stale(read(interface), module.params["keep"])
        hosts = sorted(wrong.hosts.values())
        finish(module, {"hosts": hosts}, {"hosts": []}, lambda: forget(interface, wrong), hosts=hosts)
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

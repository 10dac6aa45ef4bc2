#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""List the router groups of Cloud Foundry."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cf_router_group_info
short_description: List the router groups of Cloud Foundry
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Lists the router groups of the routing API. The module does not fail if the named one does not exist.
options:
  name:
    description: Name of the only router group to list.
    type: str
extends_documentation_fragment:
  - cfcr.kubernetes._cloud_foundry
  - cfcr.kubernetes._attributes.info
"""

EXAMPLES = r"""
- name: List a router group
  cfcr.kubernetes.cf_router_group_info:
    api_url: https://api.cf.example.com
    uaa_url: https://uaa.cf.example.com
    client_id: cfcr
    client_secret: "{{ cf_routing_client_secret }}"
    name: default-tcp
  register: groups
"""

RETURN = r"""
router_groups:
  description: The router groups.
  returned: success
  type: list
  elements: dict
  contains:
    guid: {description: GUID of the router group., type: str, returned: always}
    name: {description: Name of the router group., type: str, returned: always}
    type: {description: V(tcp) or V(http)., type: str, returned: always}
    reservable_ports: {description: "Ports for routes, such as C(1024-1123,2000).", type: str, returned: always}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._cloud_foundry import CONNECTION, RoutingApi
from ..module_utils._errors import HostError

FIELDS = ("guid", "name", "type", "reservable_ports")


def main() -> None:
    """List router groups."""
    module = AnsibleModule(argument_spec={**CONNECTION, "name": {"type": "str"}}, supports_check_mode=True)
    try:
        groups = RoutingApi(module.params).router_groups(module.params["name"])
    except HostError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, router_groups=[{field: group.get(field, "") for field in FIELDS} for group in groups])


if __name__ == "__main__":
    main()

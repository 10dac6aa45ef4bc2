#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the HTTP routes of a gorouter of Cloud Foundry."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cf_http_route_info
short_description: List the HTTP routes of a Cloud Foundry gorouter
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Reads the route table of one gorouter. Run the module on the gorouter's host, because gorouter offers the table on its loopback address only.
options:
  url:
    description: URL of gorouter's route table.
    type: str
    default: http://127.0.0.1:8082/routes
  user:
    description: User of the table, C(router.status.user) of the BOSH job.
    type: str
    default: router-status
  password:
    description: Password of the user, C(router.status.password) of the BOSH job.
    type: str
    required: true
  uris:
    description: Routes to return. All routes if it is empty.
    type: list
    elements: str
    default: []
  timeout:
    description: Timeout of the request in seconds.
    type: int
    default: 10
extends_documentation_fragment:
  - cfcr.kubernetes._attributes.info
"""

EXAMPLES = r"""
- name: Read the route of a service
  cfcr.kubernetes.cf_http_route_info:
    password: "{{ router_status_password }}"
    uris: [web.apps.cf.example.com]
  register: table
"""

RETURN = r"""
routes:
  description: The endpoints of each route, by its URI, as gorouter describes them.
  returned: success
  type: dict
  sample:
    web.apps.cf.example.com:
      - {address: "10.0.0.21:30080", protocol: http1, tls: false, ttl: 120, private_instance_id: cfcr-10.0.0.21-30080}
"""

import json
import urllib.error

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url


def main() -> None:
    """Read the table."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "default": "http://127.0.0.1:8082/routes"},
            "user": {"type": "str", "default": "router-status"},
            "password": {"type": "str", "required": True, "no_log": True},
            "uris": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 10},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        with open_url(
            params["url"], url_username=params["user"], url_password=params["password"], force_basic_auth=True, timeout=params["timeout"]
        ) as answer:
            table = json.load(answer)
    except urllib.error.HTTPError as error:
        module.fail_json(msg=f"{params['url']}: {error.code} {error.reason}")
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"{params['url']}: {error}")
    uris = {uri.lower().rstrip("/") for uri in params["uris"]}
    module.exit_json(changed=False, routes={uri: endpoints for uri, endpoints in table.items() if not uris or uri in uris})


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: endpoint_probe
short_description: Verify that a load balancer leads to the API
version_added: "0.9.0"
description:
  - Resolves the name, connects, verifies the TLS certificate and requests C(/readyz), until all of it works or the time is up. The failure names the
    first step that does not work, and its likely cause.
  - Without O(authority), it only resolves the name, which works before the API runs.
  - With O(servers), it also verifies that the endpoint leads to one of them, and not to another cluster with the same CA, such as one of which this cluster
    is a restored copy.
author:
  - The cfcr.kubernetes maintainers (@cfcr)
options:
  host:
    description: Name or address of the endpoint.
    type: str
    required: true
  port:
    description: Port of the endpoint.
    type: int
    required: true
  authority:
    description: CA certificates, in PEM, that the certificate of the endpoint is verified against.
    type: str
  servers:
    description: URLs of API servers. They must have certificates of O(authority) for the addresses or names in these URLs.
    type: list
    elements: str
  timeout:
    description: Seconds after which the module fails.
    type: int
    default: 60
extends_documentation_fragment:
  - cfcr.kubernetes._attributes.info
"""

EXAMPLES = r"""
- name: Verify that the load balancer leads to the masters
  cfcr.kubernetes.endpoint_probe:
    host: api.example.com
    port: 8443
    authority: "{{ lookup('ansible.builtin.file', 'ca.crt') }}"
"""

RETURN = r"""
addresses:
  description: Addresses of the endpoint.
  returned: success
  type: list
  elements: str
  sample: [203.0.113.5]
seconds:
  description: Seconds until all steps worked.
  returned: success
  type: float
  sample: 0.1
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cfcr.kubernetes.plugins.module_utils import _checks, _endpoint
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish

READY_PATH = "/readyz"


def verify(host: str, port: int, authority: str, servers: list[str], timeout: int) -> None:
    """Wait until the endpoint works and leads to one of the servers, if any are given, or raise the problem."""
    (check,) = _checks.run({"endpoint": lambda: _endpoint.ask(host, port, READY_PATH, authority, servers)}, timeout, HostError)
    if not check["ok"]:
        raise HostError(f"{check['detail']} (after {check['seconds']:g} seconds)")


def main() -> None:
    """Verify an endpoint."""
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "authority": {"type": "str"},
            "servers": {"type": "list", "elements": "str"},
            "timeout": {"type": "int", "default": 60},
        },
        required_by={"servers": ["authority"]},
        supports_check_mode=True,
    )
    host, port, authority, servers, timeout = (module.params[name] for name in ("host", "port", "authority", "servers", "timeout"))
    begin = time.monotonic()
    try:
        if authority:
            verify(host, port, authority, servers or [], timeout)
        finish(module, {}, {}, lambda: None, addresses=_endpoint.resolve(host), seconds=round(time.monotonic() - begin, 1))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

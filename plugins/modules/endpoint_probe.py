#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: endpoint_probe
short_description: Verify the endpoint that a load balancer gives an API
version_added: "0.1.0"
description:
  - Tries the way to the API step by step - name, connection, TLS, answer - until all of it works or the time is up, and fails with what is
    wrong with the first step that does not.
  - Without O(authority), only the name is looked up, which is all that can be known before the API runs.
author:
  - The cfcr.kubernetes maintainers (@cfcr)
options:
  host:
    description: Name or address of the endpoint.
    type: str
    required: true
  port:
    description: Its port.
    type: int
    required: true
  authority:
    description: The certificates, in PEM, that what the endpoint shows is verified against.
    type: str
  path:
    description: What to ask for; it must be answered with 200.
    type: str
    default: /readyz
  timeout:
    description: Seconds until it must work.
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
  description: The addresses of the endpoint.
  returned: success
  type: list
  elements: str
  sample: [203.0.113.5]
seconds:
  description: How long it took until it worked.
  returned: success
  type: float
  sample: 0.1
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cfcr.kubernetes.plugins.module_utils import _checks, _endpoint
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish


def verify(host: str, port: int, path: str, authority: str, timeout: int) -> None:
    """Wait until the endpoint works, or raise what is wrong."""
    (check,) = _checks.run({"endpoint": lambda: _endpoint.ask(host, port, path, authority)}, timeout, HostError)
    if not check["ok"]:
        raise HostError(f"{check['detail']} (after {check['seconds']:g} seconds)")


def main() -> None:
    """Verify an endpoint."""
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "authority": {"type": "str"},
            "path": {"type": "str", "default": "/readyz"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    host, port, path, authority, timeout = (module.params[name] for name in ("host", "port", "path", "authority", "timeout"))
    begin = time.monotonic()
    try:
        if authority:
            verify(host, port, path, authority, timeout)
        finish(module, {}, {}, lambda: None, addresses=_endpoint.resolve(host), seconds=round(time.monotonic() - begin, 1))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

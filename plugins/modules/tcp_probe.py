#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tcp_probe
short_description: Tell whether TCP ports take connections as seen from a host
description:
  - Connects to all targets at once, to each again until it takes the connection or the time is up, and reports every target with its time.
  - A target that does not take connections is reported. It is not a failure of the module.
version_added: "0.1.0"
author:
  - The cfcr.kubernetes maintainers (@cfcr)
options:
  targets:
    description: The ports to connect to, as C(host:port), by their names in the report.
    type: dict
    required: true
  timeout:
    description: Seconds until each must take a connection.
    type: int
    default: 5
extends_documentation_fragment:
  - cfcr.kubernetes._attributes.info
"""

EXAMPLES = r"""
- name: Connect to a master by SSH
  cfcr.kubernetes.tcp_probe:
    targets: {master-0: "10.0.0.11:22"}
"""

RETURN = r"""
checks:
  description: The targets, each with its result.
  returned: success
  type: list
  elements: dict
  contains:
    check:
      description: Name of the target.
      type: str
    ok:
      description: Whether it took the connection.
      type: bool
    seconds:
      description: How long that took.
      type: float
    detail:
      description: The address that took it, or what went wrong.
      type: str
  sample: [{check: master-0, ok: true, seconds: 0.1, detail: 10.0.0.11}]
"""

import functools
import re
import socket

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _checks
from ..module_utils._result import finish

CONNECT_SECONDS = 3
TARGET = re.compile(r"\S+:[0-9]{1,5}")


def connect(target: str) -> str:
    """Return the address that took a connection."""
    host, _colon, port = target.rpartition(":")
    with socket.create_connection((host, int(port)), CONNECT_SECONDS) as connection:
        return connection.getpeername()[0]


def main() -> None:
    """Connect to targets."""
    module = AnsibleModule(
        argument_spec={"targets": {"type": "dict", "required": True}, "timeout": {"type": "int", "default": 5}}, supports_check_mode=True
    )
    targets = module.params["targets"]
    wrong = [target for target in targets.values() if not TARGET.fullmatch(str(target))]
    if wrong:
        module.fail_json(msg=f"targets: found {', '.join(map(str, wrong))}, expected host:port")
    checks = {name: functools.partial(connect, target) for name, target in targets.items()}
    finish(module, {}, {}, apply=lambda: None, checks=_checks.run(checks, module.params["timeout"], OSError))


if __name__ == "__main__":
    main()

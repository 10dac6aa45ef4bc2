#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: http_probe
short_description: Tell whether URLs answer as seen from a host
description:
  - Asks for all URLs at once, each again until it answers with status 200 or the time is up, and reports every one with its time.
  - A URL that does not answer is reported, it is no failure of the module.
version_added: "0.1.0"
author:
  - The cfcr.kubernetes maintainers (@cfcr)
options:
  probes:
    description: What to ask for.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the report calls it.
        type: str
        required: true
      url:
        description: An HTTP URL.
        type: str
        required: true
      name_server:
        description: Address of the name server that is asked for the host in the URL. The host's own resolver where it is not set.
        type: str
  timeout:
    description: Seconds until each must answer.
    type: int
    default: 30
extends_documentation_fragment:
  - cfcr.kubernetes._attributes.info
"""

EXAMPLES = r"""
- name: Ask for a service by the name that the cluster's DNS has
  cfcr.kubernetes.http_probe:
    probes:
      - name: service by name
        url: http://web.default.svc.cluster.local/
        name_server: 10.100.200.10
"""

RETURN = r"""
checks:
  description: The probes, each with its result.
  returned: success
  type: list
  elements: dict
  contains:
    check:
      description: Name of the probe.
      type: str
    ok:
      description: Whether it was answered.
      type: bool
    seconds:
      description: How long that took.
      type: float
    detail:
      description: The beginning of the answer, or what went wrong.
      type: str
  sample: [{check: service by name, ok: true, seconds: 0.1, detail: web-5d9c}]
"""

import functools
import http.client
import typing as t
import urllib.parse

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cfcr.kubernetes.plugins.module_utils import _checks, _dns
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._http import beginning
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish

REQUEST_SECONDS = 3


def ask(url: str, name_server: str | None) -> str:
    """Return the beginning of what a URL answers."""
    parts = urllib.parse.urlsplit(url)
    host = _dns.address(parts.hostname, name_server) if name_server else parts.hostname
    connection = http.client.HTTPConnection(host, parts.port or 80, timeout=REQUEST_SECONDS)
    what = url if host == parts.hostname else f"{url} at {host}"
    return beginning(connection, what, parts.path or "/", {"Host": parts.netloc})


def main() -> None:
    """Ask for URLs."""
    probe: dict[str, t.Any] = {
        "name": {"type": "str", "required": True},
        "url": {"type": "str", "required": True},
        "name_server": {"type": "str"},
    }
    module = AnsibleModule(
        argument_spec={
            "probes": {"type": "list", "elements": "dict", "required": True, "options": probe},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    checks = {item["name"]: functools.partial(ask, item["url"], item["name_server"]) for item in module.params["probes"]}
    finish(module, {}, {}, apply=lambda: None, checks=_checks.run(checks, module.params["timeout"], HostError))


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: url_probe
short_description: Report which URLs and TCP ports a host reaches
description:
  - Probes all URLs in parallel, each one repeatedly until it succeeds or the time is up, and reports the result and the duration of each.
  - The module does not fail if a probe fails.
version_added: "0.9.0"
author:
  - The cfcr.kubernetes maintainers (@cfcr)
options:
  probes:
    description: The URLs to probe.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the probe in the report.
        type: str
        required: true
      url:
        description:
          - A URL with the scheme C(http), which must answer with status 200, or C(tcp), as in C(tcp://10.0.0.11:22), which must accept a connection.
        type: str
        required: true
      name_server:
        description: Address of the name server that resolves the host of an C(http) URL. Default is the resolver of the host.
        type: str
  timeout:
    description: Seconds after which a probe that has not succeeded is reported as failed.
    type: int
    default: 30
extends_documentation_fragment:
  - cfcr.kubernetes._attributes.info
"""

EXAMPLES = r"""
- name: Request a Service by its name in the cluster's DNS
  cfcr.kubernetes.url_probe:
    probes:
      - name: service by name
        url: http://web.default.svc.cluster.local/
        name_server: 10.100.200.10

- name: Connect to the SSH port of a master
  cfcr.kubernetes.url_probe:
    probes:
      - name: master-0
        url: tcp://10.0.0.11:22
    timeout: 5
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
      description: Whether it succeeded.
      type: bool
    seconds:
      description: Seconds until it succeeded or timed out.
      type: float
    detail:
      description: The beginning of the answer, the address that accepted the connection, or the error.
      type: str
  sample: [{check: service by name, ok: true, seconds: 0.1, detail: web-5d9c}]
"""

import functools
import http.client
import socket
import typing as t
import urllib.parse

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cfcr.kubernetes.plugins.module_utils import _checks, _dns
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._http import beginning
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish

ATTEMPT_SECONDS = 3


def request(url: str, name_server: str | None) -> str:
    """Return the beginning of the answer to an HTTP request."""
    parts = urllib.parse.urlsplit(url)
    host = _dns.address(parts.hostname, name_server) if name_server else parts.hostname
    connection = http.client.HTTPConnection(host, parts.port or 80, timeout=ATTEMPT_SECONDS)
    shown = url if host == parts.hostname else f"{url} at {host}"
    return beginning(connection, shown, parts.path or "/", {"Host": parts.netloc})


def connect(url: str, _name_server: str | None) -> str:
    """Return the address that accepted a TCP connection."""
    parts = urllib.parse.urlsplit(url)
    try:
        with socket.create_connection((parts.hostname, parts.port), ATTEMPT_SECONDS) as connection:
            return connection.getpeername()[0]
    except OSError as error:
        raise HostError(f"{url}: {error}") from error


PROBES = {"http": request, "tcp": connect}


def is_valid(url: str) -> bool:
    """Return whether the URL has a known scheme, a host, and a port if the scheme has no default."""
    try:
        parts = urllib.parse.urlsplit(url)
        return bool(parts.scheme in PROBES and parts.hostname and (parts.port or parts.scheme != "tcp"))
    except ValueError:
        return False


def main() -> None:
    """Probe URLs."""
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
    probes = module.params["probes"]
    wrong = [item["url"] for item in probes if not is_valid(item["url"])]
    if wrong:
        module.fail_json(msg=f"probes: found {', '.join(wrong)}, expected http://host[:port][/path] or tcp://host:port")
    checks = {
        item["name"]: functools.partial(PROBES[urllib.parse.urlsplit(item["url"]).scheme], item["url"], item["name_server"]) for item in probes
    }
    finish(module, {}, {}, apply=lambda: None, checks=_checks.run(checks, module.params["timeout"], HostError))


if __name__ == "__main__":
    main()

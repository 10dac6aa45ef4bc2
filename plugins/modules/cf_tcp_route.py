#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep the TCP route of one external port in Cloud Foundry's routing API."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cf_tcp_route
short_description: Keep the TCP route of one external port in Cloud Foundry
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Keeps the backends of one external port of a router group, no more and no fewer.
  - A route of the routing API lives for O(ttl) seconds unless it is registered again, which every run does. This module is for what is done
    once; the routes of a cluster are kept alive by its own services.
  - What the routing API does not check is checked here. The port must be reservable in the router group, and after a deletion the
    routes must be gone.
options:
  router_group:
    description: Name of the router group.
    type: str
    required: true
  port:
    description: External port, one of the router group's reservable ports.
    type: int
    required: true
  sni_hostname:
    description: Server name that clients ask for. Several clusters share one port by it.
    type: str
    default: ""
  backends:
    description: Where the route leads. Required with O(state=present).
    type: list
    elements: dict
    default: []
    suboptions:
      ip:
        description: IP address.
        type: str
        required: true
      port:
        description: Port.
        type: int
        required: true
  ttl:
    description: Seconds that a route lives; the routing API allows 120 at most unless it is configured otherwise.
    type: int
    default: 120
  state:
    description: Whether the port has a route.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - cfcr.kubernetes._cloud_foundry
  - cfcr.kubernetes._attributes
seealso:
  - name: Routing API
    description: The API and its TCP routes.
    link: https://github.com/cloudfoundry/routing-api/blob/main/docs/02-api-docs.md
"""

EXAMPLES = r"""
- name: Lead a port to two masters for two minutes
  cfcr.kubernetes.cf_tcp_route:
    api_url: https://api.cf.example.com
    uaa_url: https://uaa.cf.example.com
    client_id: cfcr
    client_secret: "{{ cf_routing_client_secret }}"
    router_group: default-tcp
    port: 8443
    backends:
      - {ip: 10.0.0.11, port: 8443}
      - {ip: 10.0.0.12, port: 8443}
"""

RETURN = r"""
diff:
  description: The port and its backends, before and after. In check mode, as it would be.
  type: dict
  returned: success
  contains:
    before:
      description: C(port), and C(backends) as sorted C(address:port).
      type: dict
      sample: {port: 8443, backends: ["10.0.0.11:8443"]}
    after:
      description: C(port), and C(backends) as sorted C(address:port).
      type: dict
      sample: {port: 8443, backends: ["10.0.0.11:8443", "10.0.0.12:8443"]}
"""

import ipaddress
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._cloud_foundry import CONNECTION, RoutingApi, ports
from ..module_utils._errors import HostError
from ..module_utils._result import finish

# Sent instead of nothing: the API keeps a missing number as NULL, which is equal to nothing, so that a route is doubled and not deleted.
NO_TLS_PORT = -1

OPTIONS = {
    "router_group": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "sni_hostname": {"type": "str", "default": ""},
    "backends": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"ip": {"type": "str", "required": True}, "port": {"type": "int", "required": True}},
    },
    "ttl": {"type": "int", "default": 120},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}

Backend = t.Tuple[str, int]


def check(params: dict[str, t.Any]) -> None:
    """Find what the API would take and nobody could use."""
    if params["state"] == "present" and not params["backends"]:
        raise HostError("backends: none; allowed with state present: one at least")
    for backend in params["backends"]:
        try:
            ipaddress.ip_address(backend["ip"])
        except ValueError as error:
            raise HostError(f"backends: {error}") from error
        if not 0 < backend["port"] < 65536:
            raise HostError(f"backends: port {backend['port']}; allowed: 1 to 65535")


def router_group(api: RoutingApi, name: str, port: int) -> str:
    """Return the identity of the router group, which must have the port."""
    found = api.router_groups(name)
    if not found:
        raise HostError(f"router_group: {name!r} does not exist; there is: {', '.join(group['name'] for group in api.router_groups()) or 'none'}")
    reservable = found[0].get("reservable_ports") or ""
    if not reservable or not any(first <= port <= last for first, last in ports(reservable)):
        raise HostError(f"port: {port}; allowed in router group {name}: {reservable or 'none'}")
    return found[0]["guid"]


def ours(routes: list[dict[str, t.Any]], group: str, port: int, sni_hostname: str) -> dict[Backend, list[dict[str, t.Any]]]:
    """Return the routes of the port by their backends; more than one of a backend where it was registered without a TLS port."""
    found: dict[Backend, list[dict[str, t.Any]]] = {}
    for route in routes:
        if (route["router_group_guid"], route["port"], route.get("backend_sni_hostname") or "") == (group, port, sni_hostname):
            found.setdefault((route["backend_ip"], route["backend_port"]), []).append(route)
    return found


def mapping(group: str, port: int, sni_hostname: str, backend: Backend) -> dict[str, t.Any]:
    """Return a route as the API takes it."""
    route = {"router_group_guid": group, "port": port, "backend_ip": backend[0], "backend_port": backend[1], "backend_tls_port": NO_TLS_PORT}
    return {**route, "backend_sni_hostname": sni_hostname} if sni_hostname else route


def shown(port: int, backends: t.Iterable[Backend]) -> dict[str, t.Any]:
    """Return a port's backends for a comparison."""
    return {"port": port, "backends": [f"{ip}:{number}" for ip, number in sorted(backends)]}


def main() -> None:
    """Keep a TCP route."""
    module = AnsibleModule(argument_spec={**CONNECTION, **OPTIONS}, supports_check_mode=True)
    params = module.params
    port, sni_hostname = params["port"], params["sni_hostname"]
    try:
        check(params)
        api = RoutingApi(params)
        group = router_group(api, params["router_group"], port)
        found = ours(api.tcp_routes(), group, port, sni_hostname)
        wanted = {(backend["ip"], backend["port"]) for backend in params["backends"]} if params["state"] == "present" else set()

        def register(backends: set[Backend]) -> None:
            if backends:
                api.create_tcp_routes([{**mapping(group, port, sni_hostname, backend), "ttl": params["ttl"]} for backend in sorted(backends)])

        def apply() -> None:
            register(wanted - set(found))
            if surplus := set(found) - wanted:
                api.delete_tcp_routes([route for backend in surplus for route in found[backend]])
            left = set(ours(api.tcp_routes(), group, port, sni_hostname)) ^ wanted
            if left:
                names = ", ".join(f"{ip}:{number}" for ip, number in sorted(left))
                raise HostError(f"port {port}: the routing API took the request, but not for {names}; a route without TLS port only leaves by its ttl")

        finish(module, shown(port, found), shown(port, wanted), apply=apply, settle=lambda: register(wanted & set(found)))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manage the TCP route of an external port in Cloud Foundry's routing API."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cf_tcp_route
short_description: Manage the TCP route of an external port in Cloud Foundry
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Sets the backends of one external port of a router group exactly.
  - A route expires O(ttl) seconds after its last registration. Every run registers it again. Use the module for single changes; services on the
    masters keep a cluster's routes alive.
  - Checks what the routing API does not. The port must be reservable in the router group, and deleted routes must be gone.
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
    description: Server name (SNI) of the clients. With it, several clusters can share one port.
    type: str
    default: ""
  backends:
    description: Targets of the route. Required with O(state=present).
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
    description: Lifetime of the route in seconds. The routing API accepts 120 at most, unless it is configured otherwise.
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
- name: Route a port to two masters for two minutes
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

# The API stores a missing TLS port as NULL, which equals no other value, so it would duplicate a route and not delete it.
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
    """Refuse backends that the API accepts although they cannot work."""
    if params["state"] == "present" and not params["backends"]:
        raise HostError("backends: found none, expected at least one with state present")
    for backend in params["backends"]:
        try:
            ipaddress.ip_address(backend["ip"])
        except ValueError as error:
            raise HostError(f"backends: {error}") from error
        if not 0 < backend["port"] < 65536:
            raise HostError(f"backends: found port {backend['port']}, expected 1 to 65535")


def router_group(api: RoutingApi, name: str, port: int) -> str:
    """Return the GUID of the router group, which must have the port."""
    found = api.router_groups(name)
    if not found:
        raise HostError(f"router_group: found {name!r}, expected one of {', '.join(group['name'] for group in api.router_groups()) or 'none'}")
    reservable = found[0].get("reservable_ports") or ""
    if not reservable or not any(first <= port <= last for first, last in ports(reservable)):
        raise HostError(f"port: found {port}, expected one of router group {name}: {reservable or 'none'}")
    return found[0]["guid"]


def ours(routes: list[dict[str, t.Any]], group: str, port: int, sni_hostname: str) -> dict[Backend, list[dict[str, t.Any]]]:
    """Return the routes of the port by backend. A backend registered without a TLS port can have several."""
    found: dict[Backend, list[dict[str, t.Any]]] = {}
    for route in routes:
        if (route["router_group_guid"], route["port"], route.get("backend_sni_hostname") or "") == (group, port, sni_hostname):
            found.setdefault((route["backend_ip"], route["backend_port"]), []).append(route)
    return found


def mapping(group: str, port: int, sni_hostname: str, backend: Backend) -> dict[str, t.Any]:
    """Return a route in the form of the API."""
    route = {"router_group_guid": group, "port": port, "backend_ip": backend[0], "backend_port": backend[1], "backend_tls_port": NO_TLS_PORT}
    return {**route, "backend_sni_hostname": sni_hostname} if sni_hostname else route


def shown(port: int, backends: t.Iterable[Backend]) -> dict[str, t.Any]:
    """Return a port and its backends for the diff."""
    return {"port": port, "backends": [f"{ip}:{number}" for ip, number in sorted(backends)]}


def main() -> None:
    """Manage a TCP route."""
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
                raise HostError(
                    f"port {port}: the routing API accepted the request, but did not apply it to {names}; a route without a TLS port leaves only"
                    " when it expires"
                )

        finish(module, shown(port, found), shown(port, wanted), apply=apply, settle=lambda: register(wanted & set(found)))
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

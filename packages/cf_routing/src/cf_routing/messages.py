# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The messages to gorouters. Pure functions on plain values."""

from __future__ import annotations

import collections
import json
import typing as t

from .routes import HttpRoute

# URIs in one unregistration, so that no message grows beyond the limit of NATS.
URIS = 20

# The URI, the node port, the name in the backend's certificate if it speaks TLS, and the isolation segment; the value is the addresses of the
# backends.
Key = tuple[str, int, str, str]
Table = dict[Key, frozenset[str]]


def table(routes: t.Iterable[HttpRoute]) -> Table:
    return {(uri, route.node_port, route.tls_name, route.segment): route.addresses for route in routes if route.addresses for uri in route.uris}


def host(ip: str) -> str:
    """Return an address as gorouters need it: they append a colon and the port."""
    return f"[{ip}]" if ":" in ip else ip


def segment(name: str) -> dict[str, str]:
    return {"isolation_segment": name} if name else {}


def registrations(routes: t.Iterable[HttpRoute], cluster: str) -> t.Iterator[bytes]:
    """Yield a message for each backend, with all its URIs."""
    for route in routes:
        port = {"tls_port": route.node_port, "server_cert_domain_san": route.tls_name} if route.tls_name else {"port": route.node_port}
        tags = {"component": "cf-route-sync", "cluster": cluster, "service": route.service}
        # Only the host and the instance ID differ between the messages of a route, so the rest is encoded once.
        rest = json.dumps({"uris": route.uris, **port, **segment(route.segment), "tags": tags}, separators=(",", ":"))[1:]
        for ip in sorted(route.addresses):
            # The gorouter identifies backends by the instance ID for sticky sessions.
            yield f'{{"host":{json.dumps(host(ip))},"private_instance_id":{json.dumps(f"{cluster}-{ip}-{route.node_port}")},{rest}'.encode()


def largest_registration(route: HttpRoute, cluster: str) -> int:
    """Return the size of the largest message of a route."""
    longest = max(route.addresses, key=len, default="")
    return len(next(registrations([route._replace(addresses=frozenset({longest}))], cluster)))


def unregistrations(gone: Table) -> t.Iterator[bytes]:
    """Yield messages for each backend, with the URIs that it has lost."""
    backends = collections.defaultdict(list)
    for (uri, node_port, tls_name, name), ips in gone.items():
        for ip in ips:
            backends[ip, node_port, bool(tls_name), name].append(uri)
    for (ip, node_port, tls, name), uris in sorted(backends.items()):
        for start in range(0, len(uris), URIS):
            part = sorted(uris)[start : start + URIS]
            message = {"host": host(ip), "tls_port" if tls else "port": node_port, "uris": part, **segment(name)}
            yield json.dumps(message, separators=(",", ":")).encode()

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kubernetes objects, reduced to the values that the plan needs."""

from __future__ import annotations

import ipaddress
import typing as t

TCP_LABEL = "tcp-route-sync"
HTTP_LABEL = "http-route-sync"
ANNOTATIONS = "cfcr.io/"
NAMES = ("http-route-hosts", "http-route-isolation-segment", "http-route-path", "http-route-port", "http-route-tls-name", "tcp-route-port", "tcp-routes")
# Annotations are cut to this length and one character more, which shows that they are longer. So the copies of all Services stay small.
ANNOTATION_LENGTH = 8192
EXCLUDED_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"


class Port(t.NamedTuple):
    name: str
    number: int
    protocol: str
    node_port: int


class Service(t.NamedTuple):
    namespace: str
    name: str
    uid: str
    created: str
    type: str
    ports: tuple[Port, ...]
    local: bool
    tcp: str | None
    http: str | None
    annotations: dict[str, str]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Node(t.NamedTuple):
    name: str
    address: str
    serves: bool


class Slice(t.NamedTuple):
    """The nodes on which a Service has ready endpoints, according to one EndpointSlice."""

    service: tuple[str, str]
    nodes: frozenset[str]


def service(item: dict[str, t.Any]) -> Service:
    metadata, spec = item["metadata"], item["spec"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    deleted = "deletionTimestamp" in metadata
    # Only these can be behind a route, and there are no more of them in a cluster than node ports.
    ports = [
        Port(port.get("name", ""), port["port"], "TCP", port["nodePort"])
        for port in spec.get("ports") or []
        if port.get("protocol", "TCP") == "TCP" and port.get("nodePort")
    ]
    return Service(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        created=metadata["creationTimestamp"],
        type=spec.get("type", "ClusterIP"),
        ports=tuple(ports),
        local=spec.get("externalTrafficPolicy") == "Local",
        tcp=None if deleted else labels.get(TCP_LABEL),
        http=None if deleted else labels.get(HTTP_LABEL),
        annotations={name: annotations[ANNOTATIONS + name][: ANNOTATION_LENGTH + 1] for name in NAMES if ANNOTATIONS + name in annotations},
    )


def node(item: dict[str, t.Any]) -> Node:
    metadata, status = item["metadata"], item.get("status") or {}
    addresses = [entry["address"] for entry in status.get("addresses") or [] if entry["type"] == "InternalIP" and is_host(entry["address"])]
    ready = any(entry["type"] == "Ready" and entry["status"] == "True" for entry in status.get("conditions") or [])
    leaves = "deletionTimestamp" in metadata or bool((item.get("spec") or {}).get("unschedulable"))
    excluded = EXCLUDED_LABEL in (metadata.get("labels") or {})
    return Node(metadata["name"], addresses[0] if addresses else "", bool(addresses) and ready and not leaves and not excluded)


def is_host(text: str) -> bool:
    """Return whether a text is the address of a host. A kubelet writes it, and the API server does not check it."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    # An IPv6 address may have a scope, which is any text.
    return "%" not in text and not (address.is_multicast or address.is_unspecified or address.is_link_local)


def endpoint_slice(item: dict[str, t.Any]) -> Slice:
    metadata = item["metadata"]
    nodes = {
        endpoint["nodeName"]
        for endpoint in item.get("endpoints") or []
        # A missing condition means ready.
        if endpoint.get("nodeName") and (endpoint.get("conditions") or {}).get("ready") is not False
    }
    return Slice((metadata["namespace"], (metadata.get("labels") or {}).get("kubernetes.io/service-name", "")), frozenset(nodes))

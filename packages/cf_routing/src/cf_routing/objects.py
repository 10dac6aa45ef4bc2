# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kubernetes objects, reduced to the values that the plan needs."""

from __future__ import annotations

import typing as t

TCP_LABEL = "tcp-route-sync"
HTTP_LABEL = "http-route-sync"
ANNOTATIONS = "cfcr.io/"
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
    ports = [
        Port(port.get("name", ""), port["port"], port.get("protocol", "TCP"), port.get("nodePort", 0)) for port in spec.get("ports") or []
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
        annotations={key[len(ANNOTATIONS) :]: value for key, value in annotations.items() if key.startswith(ANNOTATIONS)},
    )


def node(item: dict[str, t.Any]) -> Node:
    metadata, status = item["metadata"], item.get("status") or {}
    addresses = [entry["address"] for entry in status.get("addresses") or [] if entry["type"] == "InternalIP"]
    ready = any(entry["type"] == "Ready" and entry["status"] == "True" for entry in status.get("conditions") or [])
    leaves = "deletionTimestamp" in metadata or bool((item.get("spec") or {}).get("unschedulable"))
    excluded = EXCLUDED_LABEL in (metadata.get("labels") or {})
    return Node(metadata["name"], addresses[0] if addresses else "", bool(addresses) and ready and not leaves and not excluded)


def endpoint_slice(item: dict[str, t.Any]) -> Slice:
    metadata = item["metadata"]
    nodes = {
        endpoint["nodeName"]
        for endpoint in item.get("endpoints") or []
        # A missing condition means ready.
        if endpoint.get("nodeName") and (endpoint.get("conditions") or {}).get("ready") is not False
    }
    return Slice((metadata["namespace"], (metadata.get("labels") or {}).get("kubernetes.io/service-name", "")), frozenset(nodes))

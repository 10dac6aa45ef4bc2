# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planned routes, and complaints about requests that cannot be fulfilled."""

from __future__ import annotations

import typing as t

from .objects import Service


class TcpRoute(t.NamedTuple):
    """A port of the TCP routers, with the node port and the addresses behind it, and the UID of its Service."""

    port: int
    node_port: int
    addresses: frozenset[str]
    uid: str = ""


class HttpRoute(t.NamedTuple):
    """Host names, with or without a path, and the node port behind them.

    If tls_name is set, the backend speaks TLS. Only the gorouters of the isolation segment have the route; empty means the shared ones.
    """

    uris: tuple[str, ...]
    node_port: int
    addresses: frozenset[str]
    tls_name: str
    service: str
    uid: str = ""
    segment: str = ""


class Complaint(t.NamedTuple):
    """The reason why a Service does not get a requested route."""

    service: Service
    reason: str
    message: str


class Refused(Exception):
    """A route cannot be registered. The arguments are the reason and the message of the Event."""

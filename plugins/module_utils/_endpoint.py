# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the way to the API through a load balancer step by step, so that the first failing step names the problem."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import typing as t
import urllib.parse

from ._errors import HostError
from ._http import beginning

__all__ = ("ask", "resolve")

REQUEST_SECONDS = 5


def resolve(host: str) -> list[str]:
    """Return the addresses of a name, or the address itself."""
    try:
        return sorted({entry[4][0] for entry in socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)})
    except (OSError, UnicodeError) as error:
        raise HostError(f"{host}: found no address ({error}), expected a name in the DNS, or an address") from error


def ask(host: str, port: int, path: str, authority: str, servers: t.Sequence[str] = ()) -> str:
    """Return the answer of the API. Every host behind the endpoint must have a certificate of this CA for this name.

    With servers, URLs of API servers, one of them must have answered. The CA alone does not tell clusters apart: a cluster and its restored copy have the
    same one.
    """
    with _opened(host, port, authority) as (where, tls):
        if servers:
            _check_server(where, tls, authority, servers)
        return _request(where, tls, host, path)


def _check_server(where: str, tls: ssl.SSLSocket, authority: str, servers: t.Sequence[str]) -> None:
    """Raise the problem if a connection does not lead to one of the servers. It has the certificate of the server that is behind the endpoint."""
    known, problems = [], []
    for server in servers:
        parts = urllib.parse.urlsplit(server)
        try:
            with _opened(parts.hostname or "", parts.port or 443, authority) as (_where, own):
                known.append(own.getpeercert(binary_form=True))
        except HostError as error:
            problems.append(str(error))
    if not known:
        raise HostError("; ".join(problems))
    if tls.getpeercert(binary_form=True) not in known:
        raise HostError(
            f"cluster_api_host: found {where}, which leads to another API server with a certificate of this CA, expected one of {', '.join(servers)}. Point"
            " the name or the load balancer to this cluster, or set its own address"
        )


@contextlib.contextmanager
def _opened(host: str, port: int, authority: str) -> t.Iterator[tuple[str, ssl.SSLSocket]]:
    """Connect, and yield what messages call the server, and the connection to it, with a verified certificate."""
    where = f"{host}:{port} ({', '.join(resolve(host))})"
    with _connect(where, host, port) as stream, _handshake(where, stream, host, authority) as tls:
        yield where, tls


def _connect(where: str, host: str, port: int) -> socket.socket:
    try:
        return socket.create_connection((host, port), timeout=REQUEST_SECONDS)
    except socket.timeout as error:
        raise HostError(f"{where} does not answer. Check the firewall or security group, and whether the load balancer exists") from error
    except OSError as error:
        raise HostError(f"{where}: {error.strerror or error}: check whether the load balancer listens on this port") from error


def _handshake(where: str, stream: socket.socket, host: str, authority: str) -> ssl.SSLSocket:
    try:
        return ssl.create_default_context(cadata=authority).wrap_socket(stream, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
            raise HostError(f"{where}: {error.verify_message}; check whether this run gave cluster_api_host to the masters") from error
        raise HostError(
            f"{where}: found a certificate of another CA ({error.verify_message}), expected one of this cluster. The load balancer must pass TCP through"
            " to this cluster's masters, and must not terminate TLS"
        ) from error
    except OSError as error:
        raise HostError(
            f"{where} closes the connection during the TLS handshake ({error or type(error).__name__}). Either it has no healthy master behind it, or it"
            " does not speak TLS. Masters listen on 8443 and answer GET /readyz with 200"
        ) from error


def _request(where: str, tls: ssl.SSLSocket, host: str, path: str) -> str:
    connection: t.Any = http.client.HTTPConnection(host, timeout=REQUEST_SECONDS)
    connection.sock = tls
    return beginning(connection, f"{where}{path}", path)

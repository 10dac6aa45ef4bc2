# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the way to the API through a load balancer step by step, so that the first failing step names the problem."""

from __future__ import annotations

import http.client
import socket
import ssl
import typing as t
import urllib.parse

from ._errors import HostError
from ._http import beginning

__all__ = ("ask", "check_servers", "resolve")

REQUEST_SECONDS = 5


def resolve(host: str) -> list[str]:
    """Return the addresses of a name, or the address itself."""
    try:
        return sorted({entry[4][0] for entry in socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)})
    except (OSError, UnicodeError) as error:
        raise HostError(f"{host}: found no address ({error}), expected a name in the DNS, or an address") from error


def ask(host: str, port: int, path: str, authority: str) -> str:
    """Return the answer of the API. Every host behind the endpoint must have a certificate of this CA for this name."""
    where = f"{host}:{port} ({', '.join(resolve(host))})"
    stream = _connect(where, host, port)
    try:
        tls = _handshake(where, stream, host, authority)
        return _request(where, tls, host, path)
    finally:
        stream.close()


def check_servers(host: str, port: int, authority: str, servers: t.Sequence[str]) -> None:
    """Raise the problem if the endpoint does not lead to one of these API servers, given as URLs. It presents the certificate of the server behind it.

    The CA alone does not tell clusters apart: a cluster and its restored copy have the same one.
    """
    presented, known, problems = _presented(host, port, authority), [], []
    for server in servers:
        parts = urllib.parse.urlsplit(server)
        try:
            known.append(_presented(parts.hostname or "", parts.port or 443, authority))
        except HostError as error:
            problems.append(str(error))
    if not known:
        raise HostError("; ".join(problems))
    if presented not in known:
        raise HostError(
            f"cluster_api_host: found {host}:{port} ({', '.join(resolve(host))}), which leads to another API server with a certificate of this CA, expected"
            f" one of {', '.join(servers)}. Point the name or the load balancer to this cluster, or set its own address"
        )


def _presented(host: str, port: int, authority: str) -> bytes | None:
    """Return the certificate that a server presents, after verifying it."""
    where = f"{host}:{port} ({', '.join(resolve(host))})"
    with _connect(where, host, port) as stream, _handshake(where, stream, host, authority) as tls:
        return tls.getpeercert(binary_form=True)


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

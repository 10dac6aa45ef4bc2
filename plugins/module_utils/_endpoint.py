# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way to the API through a load balancer, step by step, so that an error names the first step that fails."""

from __future__ import annotations

import http.client
import socket
import ssl
import typing as t

from ._errors import HostError
from ._http import beginning

__all__ = ("ask", "resolve")

REQUEST_SECONDS = 5


def resolve(host: str) -> list[str]:
    """Return the addresses of a name or an address."""
    try:
        return sorted({entry[4][0] for entry in socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)})
    except (OSError, UnicodeError) as error:
        raise HostError(f"the name {host} has no address ({error}); a name in the DNS is needed, or the address itself") from error


def ask(host: str, port: int, path: str, authority: str) -> str:
    """Return the answer of the API. Every host behind the endpoint must have a certificate of this CA for this name."""
    where = f"{host}:{port} ({', '.join(resolve(host))})"
    stream = _connect(where, host, port)
    try:
        tls = _handshake(where, stream, host, authority)
        return _request(where, tls, host, path)
    finally:
        stream.close()


def _connect(where: str, host: str, port: int) -> socket.socket:
    try:
        return socket.create_connection((host, port), timeout=REQUEST_SECONDS)
    except socket.timeout as error:
        raise HostError(f"{where} does not answer: does a firewall or a security group drop it, or is there no load balancer?") from error
    except OSError as error:
        raise HostError(f"{where}: {error.strerror or error}: does the load balancer listen to this port?") from error


def _handshake(where: str, stream: socket.socket, host: str, authority: str) -> ssl.SSLSocket:
    try:
        return ssl.create_default_context(cadata=authority).wrap_socket(stream, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
            raise HostError(f"{where}: {error.verify_message}; is cluster_api_host what this run gave the masters?") from error
        raise HostError(
            f"{where} shows a certificate that is not of this cluster's authority ({error.verify_message}): the load balancer must pass TCP"
            " through, not end TLS, and lead to this cluster's masters"
        ) from error
    except OSError as error:
        raise HostError(
            f"{where} takes the connection and ends it before TLS is agreed on ({error or type(error).__name__}): it has no healthy master"
            " behind it, or does not speak TLS; masters listen on 8443 and answer GET /readyz with 200"
        ) from error


def _request(where: str, tls: ssl.SSLSocket, host: str, path: str) -> str:
    connection: t.Any = http.client.HTTPConnection(host, timeout=REQUEST_SECONDS)
    connection.sock = tls
    return beginning(connection, f"{where}{path}", path)

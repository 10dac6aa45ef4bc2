# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes of the API endpoint against real sockets: success and every failure."""

from __future__ import annotations

import datetime
import http.server
import ipaddress
import socket
import ssl
import threading

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._endpoint import ask, resolve
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def certificate(address):
    """Return a self-signed certificate for an address, and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"test {serial}")])
    now = datetime.datetime.now(datetime.timezone.utc)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(minutes=5))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return built.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


@pytest.fixture
def api(tmp_path):
    """Return a function that serves an API with a certificate for an address, and returns its port and the certificate."""
    servers = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/readyz" else 503)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_arguments):
            pass

    def serve(address="127.0.0.1"):
        own, key = certificate(address)
        (tmp_path / "server.pem").write_text(own + key)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "server.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server.server_port, own

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def without_backend():
    """A load balancer that has no healthy host: it takes a connection and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def close_all():
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=close_all, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_an_endpoint_that_answers_is_healthy(api):
    port, authority = api()
    assert ask("127.0.0.1", port, "/readyz", authority) == "ok"


def test_an_answer_other_than_200_is_a_problem(api):
    port, authority = api()
    with pytest.raises(HostError, match="/livez: 503 ok"):
        ask("127.0.0.1", port, "/livez", authority)


def test_a_certificate_of_another_authority_is_a_problem(api):
    port, _own = api()
    with pytest.raises(HostError, match="a certificate of another CA .* must pass TCP through"):
        ask("127.0.0.1", port, "/readyz", certificate("127.0.0.1")[0])


def test_a_certificate_for_another_address_is_a_problem(api):
    port, authority = api("10.0.0.5")
    with pytest.raises(HostError, match="check whether this run gave cluster_api_host to the masters"):
        ask("127.0.0.1", port, "/readyz", authority)


def test_a_load_balancer_without_a_healthy_master_is_a_problem(without_backend):
    with pytest.raises(HostError, match="no healthy master behind it"):
        ask("127.0.0.1", without_backend, "/readyz", certificate("127.0.0.1")[0])


def test_an_endpoint_leads_to_one_of_the_servers(api):
    port, authority = api()
    assert ask("127.0.0.1", port, "/readyz", authority, ["https://127.0.0.1:1", f"https://127.0.0.1:{port}"]) == "ok"


def test_an_endpoint_that_leads_to_another_server_of_the_same_ca_is_a_problem(api):
    (one, first), (other, second) = api(), api()
    with pytest.raises(HostError, match=f"cluster_api_host: found 127.0.0.1:{one} .* expected one of https://127.0.0.1:{other}"):
        ask("127.0.0.1", one, "/readyz", first + second, [f"https://127.0.0.1:{other}"])


def test_servers_that_do_not_answer_are_a_problem(api):
    port, authority = api()
    with pytest.raises(HostError, match=r"127.0.0.1:1 .*: Connection refused"):
        ask("127.0.0.1", port, "/readyz", authority, ["https://127.0.0.1:1"])


def test_a_refused_connection_is_a_problem():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(HostError, match="Connection refused: check whether the load balancer listens on this port"):
        ask("127.0.0.1", port, "/readyz", "")


def test_a_name_without_an_address_is_a_problem():
    with pytest.raises(HostError, match="nothing.invalid: found no address"):
        resolve("nothing.invalid")
    assert resolve("10.0.0.1") == ["10.0.0.1"]

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users of an OIDC issuer on a real API server, with the rules that role master adds to each issuer."""

from __future__ import annotations

import base64
import http.server
import json
import pathlib
import ssl
import threading
import time
import urllib.error
import urllib.request

import pytest
import yaml
from _apiserver import ApiServer, Pair
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ROOT = pathlib.Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "roles/master/vars/main.yml").read_text())["__master_user_rules"]


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


class Issuer:
    """An issuer with TLS, discovery and keys, which signs tokens with RS256."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.authority = Pair("issuer-authority")
        certificate, key = Pair("issuer", issuer=self.authority).write(directory / "issuer")
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802 - the name is http.server's
                content = json.dumps(issuer.keys() if self.path == "/keys" else issuer.discovery()).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments):
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def discovery(self):
        supported = {"id_token_signing_alg_values_supported": ["RS256"], "subject_types_supported": ["public"], "response_types_supported": ["id_token"]}
        return {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **supported}

    def keys(self):
        numbers = self.key.public_key().public_numbers()
        modulus, exponent = (encoded(value.to_bytes((value.bit_length() + 7) // 8, "big")) for value in (numbers.n, numbers.e))
        return {"keys": [{"kty": "RSA", "kid": "1", "alg": "RS256", "use": "sig", "n": modulus, "e": exponent}]}

    def token(self, audience="kubernetes", lifetime=600, **claims) -> str:
        now = int(time.time())
        body = {"iss": self.url, "aud": audience, "iat": now - 1000, "exp": now + lifetime, **claims}
        signed = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "1"}, body))
        return f"{signed}.{encoded(self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    issuer = Issuer(tmp_path_factory.mktemp("issuer"))
    yield issuer
    issuer.server.shutdown()
    issuer.server.server_close()


@pytest.fixture(scope="module")
def whoami(tmp_path_factory, apiserver_program, etcd_programs, issuer):
    """Return a function that gives status and user of a token; user names and groups come from expressions, so that the rules alone protect."""
    mappings = {"username": {"expression": "claims.sub"}, "groups": {"expression": "claims.groups"}}
    authority = issuer.authority.certificate.decode()
    entry = {"issuer": {"url": issuer.url, "audiences": ["kubernetes"], "certificateAuthority": authority}, "claimMappings": mappings}
    config = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": [{**entry, "userValidationRules": RULES}]}
    directory = tmp_path_factory.mktemp("oidc")
    (directory / "authentication.yaml").write_text(json.dumps({**config, "anonymous": {"enabled": True, "conditions": [{"path": "/readyz"}]}}))
    server = ApiServer(directory, apiserver_program, etcd_programs / "etcd")
    server._command.append(f"--authentication-config={directory / 'authentication.yaml'}")

    def ask(token):
        url = f"https://127.0.0.1:{server.port}/apis/authentication.k8s.io/v1/selfsubjectreviews"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, context=server._tls, timeout=10) as answer:
                return answer.status, json.load(answer)["status"]["userInfo"]
        except urllib.error.HTTPError as error:
            return error.code, None

    try:
        server.start()
        server.await_ready()
        deadline = time.monotonic() + 30  # the server fetches the keys after its start
        while ask(issuer.token(sub="oidc:first", groups=[]))[0] != 201 and time.monotonic() < deadline:
            time.sleep(0.5)
        yield ask
    finally:
        server.close()


def test_a_user_of_the_issuer_is_known(whoami, issuer):
    status, user = whoami(issuer.token(sub="oidc:alice", groups=["oidc:dev"]))
    assert (status, user["username"]) == (201, "oidc:alice") and "oidc:dev" in user["groups"]


@pytest.mark.parametrize(
    "claims",
    [
        {"groups": ["system:masters"]},
        {"groups": ["oidc:dev", "cfcr:administrators"]},
        {"sub": "system:admin"},
        {"lifetime": -60},
        {"audience": "another"},
    ],
)
def test_nobody_becomes_an_administrator_by_a_claim(whoami, issuer, claims):
    assert whoami(issuer.token(**{"sub": "oidc:mallory", "groups": [], **claims})) == (401, None)

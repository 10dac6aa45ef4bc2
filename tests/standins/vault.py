# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for HashiCorp Vault and OpenBao. It needs Python's standard library only.

    python3 vault.py --listen 127.0.0.1:8200 --certificate FILE --key FILE --token ROOT

Mount `secret` has the secrets engine KV version 2 (versions, check-and-set, deletion, destruction, metadata and lists). Mount `kv` has version 1, as
far as clients mistake it for version 2. There are AppRole, namespaces, tokens with restricted permissions, and sealing.
https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2
"""

from __future__ import annotations

import argparse
import datetime
import http.server
import json
import re
import ssl
import threading
import typing as t
import urllib.parse
import uuid

SEALED = (503, {"errors": ["Vault is sealed"]})
REDIRECT = (307, None)
DENIED = (403, {"errors": ["permission denied"]})
ABSENT = (404, {"errors": []})
NO_CONTENT = (204, None)
CAPABILITIES = {"GET": "read", "LIST": "list", "POST": "update", "PUT": "update", "DELETE": "delete"}

Answer = t.Tuple[int, t.Any]


def refused(reason: str) -> Answer:
    return 400, {"errors": [reason]}


def now() -> str:
    return f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%dT%H:%M:%S.%fZ}"


class Secret:
    """A key of KV version 2: its versions and their metadata."""

    def __init__(self) -> None:
        self.created, self.current, self.max_versions, self.cas_required = now(), 0, 0, False
        self.versions: dict[int, dict[str, t.Any]] = {}
        self.data: dict[int, t.Any] = {}

    def write(self, body: dict[str, t.Any]) -> Answer:
        options = body.get("options") or {}
        if self.cas_required and "cas" not in options:
            return refused("check-and-set parameter required for this call")
        if "cas" in options and options["cas"] != self.current:
            return refused("check-and-set parameter did not match the current version")
        if "data" not in body:
            return refused("no data provided")
        self.current += 1
        self.versions[self.current] = {"created_time": now(), "deletion_time": "", "destroyed": False}
        self.data[self.current] = body["data"]
        for version in [number for number in self.versions if number <= self.current - (self.max_versions or 10)]:
            del self.versions[version], self.data[version]
        return 200, {"data": self.told(self.current)}

    def read(self, version: int) -> Answer:
        version = version or self.current
        if version not in self.versions:
            return ABSENT
        told = self.told(version)
        gone = told["deletion_time"] or told["destroyed"]
        return (404 if gone else 200), {"data": {"data": None if gone else self.data[version], "metadata": told}}

    def mark(self, numbers: list[int], **marks: t.Any) -> Answer:
        for number in numbers:
            if number in self.versions:
                self.versions[number].update(marks)
        return NO_CONTENT

    def told(self, version: int) -> dict[str, t.Any]:
        return {**self.versions[version], "version": version, "custom_metadata": None}

    def metadata(self) -> Answer:
        told = {"current_version": self.current, "oldest_version": min(self.versions, default=0), "created_time": self.created}
        settings = {"max_versions": self.max_versions, "cas_required": self.cas_required, "delete_version_after": "0s", "custom_metadata": None}
        return 200, {"data": {**told, **settings, "versions": {str(number): version for number, version in self.versions.items()}}}


class Vault:
    """The state of the server, which tests change directly."""

    def __init__(self, token: str) -> None:
        self.sealed = False
        self.active = ""  # the address of the active node, to which a standby redirects
        self.tokens: dict[str, t.Callable[[str, str], bool]] = {token: lambda _capability, _path: True}
        self.roles: dict[str, str] = {}
        self.namespaces: dict[str, dict[str, Secret]] = {"": {}}
        self.version_1: dict[str, t.Any] = {}
        self.requests: list[tuple[str, str]] = []
        self.lock = threading.Lock()

    def answer(self, method: str, url: str, headers: t.Any, body: dict[str, t.Any]) -> Answer:
        parts = urllib.parse.urlsplit(url)
        path, query = parts.path.removeprefix("/v1/"), dict(urllib.parse.parse_qsl(parts.query))
        if query.get("list") == "true":
            method = "LIST"
        with self.lock:
            self.requests.append((method, path))
            if self.sealed:
                return SEALED
            if self.active:
                return REDIRECT
            if path == "auth/approle/login":
                return self.log_in(body)
            allowed = self.tokens.get(headers.get("X-Vault-Token") or "")
            if not allowed or not allowed(CAPABILITIES[method], path):
                return DENIED
            return self.route(method, path, headers.get("X-Vault-Namespace") or "", int(query.get("version", 0)), body)

    def log_in(self, body: dict[str, t.Any]) -> Answer:
        if self.roles.get(body.get("role_id", "")) != body.get("secret_id", ""):
            return refused("invalid role or secret ID")
        token = f"hvs.{uuid.uuid4().hex}"
        self.tokens[token] = lambda _capability, _path: True
        return 200, {"auth": {"client_token": token, "lease_duration": 1200, "renewable": True, "policies": ["default"], "token_type": "service"}}

    def route(self, method: str, path: str, namespace: str, version: int, body: dict[str, t.Any]) -> Answer:
        mount, _slash, rest = path.partition("/")
        if namespace not in self.namespaces or mount not in ("secret", "kv"):
            return 404, {"errors": [f'no handler for route "{path}". route entry not found.']}
        if mount == "kv":
            return self.first_version(method, rest, body)
        match = re.fullmatch(r"(data|metadata|delete|undelete|destroy)/(.+)", rest)
        return self.second_version(method, match[1], match[2].rstrip("/"), self.namespaces[namespace], version, body) if match else ABSENT

    def first_version(self, method: str, path: str, body: dict[str, t.Any]) -> Answer:
        if method in ("POST", "PUT"):
            self.version_1[path] = body
            return NO_CONTENT
        return (200, {"data": self.version_1[path]}) if path in self.version_1 else ABSENT

    def second_version(self, method: str, what: str, path: str, secrets: dict[str, Secret], version: int, body: dict[str, t.Any]) -> Answer:
        if method == "LIST":
            below = {name[len(path) + 1 :] for name in secrets if name.startswith(f"{path}/")}
            keys = sorted({re.sub("/.*", "/", name) for name in below})
            return (200, {"data": {"keys": keys}}) if keys else ABSENT
        writes = method in ("POST", "PUT")
        if path not in secrets:
            if not writes or what not in ("data", "metadata"):
                return ABSENT if what in ("data", "metadata") and method == "GET" else NO_CONTENT
            if what == "data" and (body.get("options") or {}).get("cas", 0) != 0:
                return refused("check-and-set parameter did not match the current version")
            secrets[path] = Secret()
        secret = secrets[path]
        if what == "data":
            if method == "DELETE":
                return secret.mark([secret.current], deletion_time=now())
            return secret.write(body) if writes else secret.read(version)
        if what == "metadata":
            if method == "DELETE":
                del secrets[path]
                return NO_CONTENT
            if not writes:
                return secret.metadata()
            secret.max_versions = body.get("max_versions", secret.max_versions)
            secret.cas_required = body.get("cas_required", secret.cas_required)
            return NO_CONTENT
        marks = {"delete": {"deletion_time": now()}, "undelete": {"deletion_time": ""}, "destroy": {"destroyed": True}}
        return secret.mark([int(number) for number in body["versions"]], **marks[what])

    def handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        """Return the class of handlers for http.server."""
        vault = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                status, said = vault.answer(self.command, self.path, self.headers, json.loads(self.rfile.read(length) or b"{}"))
                content = b"" if said is None else json.dumps(said).encode()
                self.send_response(status)
                if status == REDIRECT[0]:
                    self.send_header("Location", vault.active + self.path)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_LIST = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, format, *args) -> None:
                """Log nothing."""

        return Handler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option in ("--listen", "--certificate", "--key", "--token"):
        parser.add_argument(option, required=True)
    options = parser.parse_args()
    host, _colon, port = options.listen.rpartition(":")
    with http.server.ThreadingHTTPServer((host, int(port)), Vault(options.token).handler()) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.serve_forever()


if __name__ == "__main__":
    main()

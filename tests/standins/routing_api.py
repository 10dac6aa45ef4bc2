# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for Cloud Foundry's routing API and UAA. It needs Python's standard library only.

    python3 routing_api.py --config FILE.json

{"listen": "0.0.0.0:3443", "certificate_file": …, "key_file": …,
 "control": "127.0.0.1:3444",                       plain HTTP, for tests: see below; default: none
 "clients": {"routing": {"secret": "…", "scopes": ["routing.routes.read", …]}},
 "router_groups": [{"name": "default-tcp", "type": "tcp", "reservable_ports": "1024-1123"}],
 "max_ttl": 120, "token_seconds": 3600, "prune_seconds": 10}

It behaves like the original towards clients, including its defects: each registration of a route without backend_tls_port adds a row that no
deletion finds, ports are not compared with reservable_ports, and a missing scope gets 401.
Control: GET /state returns the table and the requests, GET /counts the numbers only. POST /state changes {"down": ["uaa", "routing_api"],
"clients": …, "token_seconds": …, "revoke": true, "forget": true}; revoke invalidates all tokens, forget removes all routes. A part that is down
answers 503.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import http.server
import json
import pathlib
import secrets
import ssl
import threading
import time
import typing as t
import urllib.parse
import uuid

ROUTES = "/routing/v1/tcp_routes"
GROUPS = "/routing/v1/router_groups"
# Rows are listed until they expire, and are removed a second later.
SLACK_SECONDS = 1
KEYS = ("router_group_guid", "backend_ip", "backend_port", "port", "backend_tls_port", "backend_sni_hostname")


class Answer(Exception):
    """An error in the format of the routing API."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status, self.body = status, {"name": name, "message": message}


def unauthorized(message: str) -> Answer:
    return Answer(401, "UnauthorizedError", message)


def invalid(message: str) -> Answer:
    return Answer(400, "ProcessRequestError", f"Cannot process request: {message}")


class Tokens:
    """JSON web tokens like those of UAA, signed with a key of this process."""

    def __init__(self) -> None:
        self.key = secrets.token_bytes(32)

    def issue(self, client: str, scopes: list[str], seconds: float) -> str:
        claims = {"client_id": client, "scope": scopes, "iss": "https://uaa/oauth/token", "exp": time.time() + seconds}
        text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "HS256"}, claims))
        return f"{text}.{self._sign(text)}"

    def check(self, header: str, scope: str) -> None:
        kind, _space, token = header.partition(" ")
        if kind.lower() != "bearer" or not token:
            raise unauthorized("invalid token format")
        if token.count(".") != 2:
            raise unauthorized("token contains an invalid number of segments")
        text, _dot, signature = token.rpartition(".")
        if not hmac.compare_digest(signature, self._sign(text)):
            raise unauthorized("crypto/rsa: verification error")
        claims = json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))
        if claims["exp"] < time.time():
            raise unauthorized("Token is expired")
        if scope not in claims["scope"]:
            raise unauthorized("You are not authorized to perform the requested action")

    def _sign(self, text: str) -> str:
        return base64.urlsafe_b64encode(hmac.digest(self.key, text.encode(), hashlib.sha256)).decode().rstrip("=")


class Table:
    """The TCP routes."""

    def __init__(self, groups: list[dict[str, t.Any]], max_ttl: int) -> None:
        self.groups = [{"guid": str(uuid.uuid4()), **group} for group in groups]
        self.max_ttl = max_ttl
        self.rows: list[dict[str, t.Any]] = []
        # Rows by their unique key. Rows with a NULL column are not in it, since NULL equals nothing.
        self.unique: dict[tuple[object, ...], dict[str, t.Any]] = {}

    def validate(self, route: dict[str, t.Any]) -> None:
        if route.get("router_group_guid") not in [group["guid"] for group in self.groups]:
            raise invalid(f"router_group_guid: {route.get('router_group_guid')} not found")
        if not route.get("port"):
            raise invalid("Each tcp mapping requires a positive external port. RouteMapping=[" + json.dumps(route) + "]")
        if not route.get("backend_ip"):
            raise invalid("Each tcp mapping requires a non empty backend ip. RouteMapping=[" + json.dumps(route) + "]")
        if not route.get("backend_port") and route.get("backend_tls_port", 0) <= 0:
            raise invalid("Each tcp mapping requires a positive backend port. RouteMapping=[" + json.dumps(route) + "]")
        if route["ttl"] > self.max_ttl:
            raise invalid(
                f"Each tcp mapping requires TTL to be less than or equal to {self.max_ttl}. RouteMapping=[" + json.dumps(route) + "]"
            )
        if route["ttl"] <= 0:
            raise invalid("Each tcp mapping requires a ttl greater than 0. RouteMapping=[" + json.dumps(route) + "]")

    def create(self, routes: list[dict[str, t.Any]]) -> None:
        routes = [{**route, "ttl": self.max_ttl if route.get("ttl") is None else route["ttl"]} for route in routes]
        for route in routes:
            self.validate(route)
        for route in routes:
            key = self.key(route)
            row = self.unique.get(key) if key else None
            if row is None:
                row = {"isolation_segment": "", "instance_id": "", "terminate_frontend_tls": False, **route}
                row["modification_tag"] = {"guid": str(uuid.uuid4()), "index": -1}
                self.rows.append(row)
                if key:
                    self.unique[key] = row
            # The other columns never change.
            row.update(ttl=route["ttl"], expires=time.time() + route["ttl"], isolation_segment=route.get("isolation_segment", ""))
            row["modification_tag"]["index"] += 1

    def delete(self, routes: list[dict[str, t.Any]]) -> None:
        gone = {id(self.unique.pop(key, None)) for key in map(self.key, routes) if key}
        self.rows = [row for row in self.rows if id(row) not in gone]

    def key(self, route: dict[str, t.Any]) -> tuple[object, ...] | None:
        return tuple(route.get(key) for key in KEYS) if route.get("backend_tls_port") else None

    def listed(self) -> list[dict[str, t.Any]]:
        now = time.time()
        return [{key: value for key, value in row.items() if key != "expires"} for row in self.rows if row["expires"] > now]

    def forget(self) -> None:
        self.rows, self.unique = [], {}

    def prune(self) -> None:
        limit = time.time() - SLACK_SECONDS
        self.rows = [row for row in self.rows if row["expires"] > limit]
        self.unique = {key: row for key, row in self.unique.items() if row["expires"] > limit}


class State:
    """The state of both stand-ins, which tests change."""

    def __init__(self, config: dict[str, t.Any]) -> None:
        self.clients = config["clients"]
        self.token_seconds = config.get("token_seconds", 3600)
        self.table = Table(config["router_groups"], config.get("max_ttl", 120))
        self.tokens = Tokens()
        self.down: list[str] = []
        self.requests: dict[str, int] = {}
        self.lock = threading.Lock()

    def change(self, wish: dict[str, t.Any]) -> None:
        self.down = wish.get("down", self.down)
        self.clients = wish.get("clients", self.clients)
        self.token_seconds = wish.get("token_seconds", self.token_seconds)
        if wish.get("revoke"):
            self.tokens = Tokens()
        if wish.get("forget"):
            self.requests = {}
            self.table.forget()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves both APIs at one address, and the control at another."""

    protocol_version = "HTTP/1.1"
    # Headers and body are written separately.
    disable_nagle_algorithm = True
    state: State
    control = False

    def answer(self, status: int, body: object = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urllib.parse.urlsplit(self.path)
        try:
            with self.state.lock:
                if self.control:
                    status, result = self.steer(url.path, body)
                else:
                    status, result = self.serve(url, body)
        except Answer as answer:
            status, result = answer.status, answer.body
        self.answer(status, result)

    do_GET = do_POST = do_PUT = respond

    def steer(self, path: str, body: bytes) -> tuple[int, object]:
        table = self.state.table
        if self.command == "POST" and path == "/state":
            self.state.change(json.loads(body))
        elif path not in ("/state", "/counts"):
            return 404, None
        counts = {"rows": len(table.rows), "requests": self.state.requests}
        return 200, counts if path == "/counts" else {**counts, "routes": table.listed(), "groups": table.groups, "down": self.state.down}

    def serve(self, url: urllib.parse.SplitResult, body: bytes) -> tuple[int, object]:
        part = "routing_api" if url.path.startswith("/routing/") else "uaa"
        asked = f"{self.command} {url.path}"
        self.state.requests[asked] = self.state.requests.get(asked, 0) + 1
        if part in self.state.down:
            return 503, {"error": f"{part} is down"}
        if part == "uaa":
            return self.uaa(url.path, body)
        if self.command == "GET" and url.path == GROUPS:
            return self.groups(urllib.parse.parse_qs(url.query))
        if self.command == "GET" and url.path == ROUTES:
            self.authorize("routing.routes.read")
            return 200, self.state.table.listed()
        if self.command == "POST" and url.path in (f"{ROUTES}/create", f"{ROUTES}/delete"):
            self.authorize("routing.routes.write")
            try:
                routes = json.loads(body)
                assert isinstance(routes, list)
            except (ValueError, AssertionError):
                raise invalid("json: cannot unmarshal value into Go value of type []models.TcpRouteMapping") from None
            if url.path.endswith("create"):
                self.state.table.create(routes)
                return 201, None
            self.state.table.delete(routes)
            return 204, None
        return 404, {"name": "ResourceNotFoundError", "message": "404 page not found"}

    def authorize(self, scope: str) -> None:
        self.state.tokens.check(self.headers.get("Authorization", ""), scope)

    def groups(self, query: dict[str, list[str]]) -> tuple[int, object]:
        self.authorize("routing.router_groups.read")
        groups = self.state.table.groups
        if "name" in query:
            groups = [group for group in groups if group["name"] == query["name"][0]]
            if not groups:
                raise Answer(404, "ResourceNotFoundError", f"router group '{query['name'][0]}' not found")
        return 200, groups

    def uaa(self, path: str, body: bytes) -> tuple[int, object]:
        if self.command == "GET" and path == "/.well-known/openid-configuration":
            return 200, {"issuer": "https://uaa/oauth/token"}
        if self.command != "POST" or path != "/oauth/token":
            return 404, None
        form = dict(urllib.parse.parse_qsl(body.decode()))
        name, secret = form.get("client_id", ""), form.get("client_secret", "")
        header = self.headers.get("Authorization", "")
        if header.startswith("Basic "):
            name, _colon, secret = base64.b64decode(header[6:]).decode().partition(":")
        client = self.state.clients.get(name)
        if form.get("grant_type") != "client_credentials" or not client or client["secret"] != secret:
            return 401, {"error": "unauthorized", "error_description": "Bad credentials"}
        seconds = self.state.token_seconds
        token = self.state.tokens.issue(name, client["scopes"], seconds)
        return 200, {"access_token": token, "token_type": "bearer", "expires_in": seconds, "scope": " ".join(client["scopes"])}

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


class Server(http.server.ThreadingHTTPServer):
    """Performs each TLS handshake in the thread of its connection, so that none blocks the others."""

    daemon_threads = True
    tls: ssl.SSLContext | None = None

    def finish_request(self, request: t.Any, client_address: t.Any) -> None:
        if self.tls:
            try:
                request = self.tls.wrap_socket(request, server_side=True)
            except OSError:
                return
        super().finish_request(request, client_address)


def address(text: str) -> tuple[str, int]:
    host, _colon, port = text.rpartition(":")
    return host, int(port)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True, type=pathlib.Path)
    config = json.loads(parser.parse_args().config.read_text())
    state = State(config)
    server = Server(address(config["listen"]), type("Api", (Handler,), {"state": state}))
    server.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.tls.load_cert_chain(config["certificate_file"], config["key_file"])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if config.get("control"):
        control = Server(address(config["control"]), type("Control", (Handler,), {"state": state, "control": True}))
        threading.Thread(target=control.serve_forever, daemon=True).start()
    while True:
        time.sleep(config.get("prune_seconds", 10))
        with state.lock:
            state.table.prune()


if __name__ == "__main__":
    main()

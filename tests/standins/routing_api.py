# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for Cloud Foundry's routing API and UAA. It needs Python's standard library only.

    python3 routing_api.py --config FILE.json

{"listen": "0.0.0.0:3443", "certificate_file": …, "key_file": …,
 "control": "127.0.0.1:3444",                       plain HTTP, for tests: see below; default: none
 "clients": {"routing": {"secret": "…", "scopes": ["routing.routes.read", …]}},
 "router_groups": [{"name": "default-tcp", "type": "tcp", "reservable_ports": "1024-1033"}],
 "max_ttl": 120, "token_seconds": 3600, "prune_seconds": 10,
 "row_seconds": 0.0012,                             the time that one mapping takes; 1.2 ms were measured on PostgreSQL
 "tls_port_type": "int"}                            uint16 in routing-release below 0.302

It behaves like the original (routing-api 44661ed) towards clients, including its defects; tests/cf_routing/test_standins.py lists them.
Control: GET /state returns the table and the requests, GET /counts the numbers only. POST /state changes {"down": ["uaa", "routing_api", "database"],
"clients": …, "token_seconds": …, "row_seconds": …, "tls_port_type": …, "revoke": true, "forget": true, "duplicate": 1024}; revoke gives UAA another
key, forget removes all routes, duplicate adds second rows for a port. A part that is down answers 503.
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
import sys
import threading
import time
import typing as t
import urllib.parse
import uuid

ROUTES = "/routing/v1/tcp_routes"
GROUPS = "/routing/v1/router_groups"
METHODS = {GROUPS: "GET", ROUTES: "GET", f"{ROUTES}/create": "POST", f"{ROUTES}/delete": "POST"}
# Rows are listed until they expire, and are pruned a second later at the earliest.
SLACK_SECONDS = 1
KEYS = ("router_group_guid", "backend_ip", "backend_port", "port", "backend_tls_port", "backend_sni_hostname")
# The types of Go. A field that is missing or null has Go's zero value.
TYPES = {
    "router_group_guid": "string",
    "backend_ip": "string",
    "backend_port": "uint16",
    "port": "uint16",
    "backend_tls_port": "int",
    "backend_sni_hostname": "string",
    "sni_rewrite_hostname": "string",
    "instance_id": "string",
    "isolation_segment": "string",
    "ttl": "int",
    "terminate_frontend_tls": "bool",
    "alpns": "string",
}
NUMBERS = {"uint16": range(65536), "int": range(-(2**63), 2**63)}
KINDS = {str: "string", int: "number", float: "number", bool: "bool", list: "array", dict: "object"}


class Answer(Exception):
    """An error in the format of the routing API."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status, self.body = status, {"name": name, "message": message}


def unauthorized(message: str) -> Answer:
    return Answer(401, "UnauthorizedError", message)


def invalid(message: str) -> Answer:
    return Answer(400, "ProcessRequestError", f"Cannot process request: {message}")


def database(message: str) -> Answer:
    return Answer(503, "DBCommunicationError", message)


def decode(body: bytes, tls_port_type: str) -> list[dict[str, t.Any]]:
    """Decode the body as Go does into its structure."""
    try:
        routes = json.loads(body)
    except ValueError:
        raise invalid("EOF" if not body else "invalid character in JSON") from None
    if not isinstance(routes, list):
        raise invalid(f"json: cannot unmarshal {KINDS[type(routes)]} into Go value of type []models.TcpRouteMapping")
    return [decode_route(route, {**TYPES, "backend_tls_port": tls_port_type}) for route in routes]


def decode_route(route: t.Any, types: dict[str, str]) -> dict[str, t.Any]:
    if not isinstance(route, dict):
        raise invalid(f"json: cannot unmarshal {KINDS[type(route)]} into Go value of type models.TcpRouteMapping")
    known = {key: value for key, value in route.items() if key in types and value is not None}
    for key, value in known.items():
        kind, found = types[key], KINDS[type(value)]
        fits = value in NUMBERS[kind] if kind in NUMBERS and isinstance(value, int) and not isinstance(value, bool) else found == kind
        if not fits:
            shown = f"number {value}" if found == "number" else found
            raise invalid(f"json: cannot unmarshal {shown} into Go struct field TcpRouteMapping.{key} of type {kind}")
    return known


def check_group(name: str, ports: str) -> None:
    """Refuse reservable ports that overlap, as the original does at its start."""
    ranges: list[tuple[int, int, str]] = []
    for text in filter(None, (part.strip() for part in ports.split(","))):
        first, dash, last = text.partition("-")
        low, high, shown = int(first), int(last or first), f"[{text}]" if dash else text
        for other_low, other_high, other in ranges:
            if low <= other_high and other_low <= high:
                sys.exit(f"router group {name}: Overlapping values: {other} and {shown}")
        ranges.append((low, high, shown))


class Tokens:
    """JSON web tokens like those of UAA, signed with a key of this process."""

    def __init__(self) -> None:
        self.key = secrets.token_bytes(32)

    def issue(self, client: str, scopes: list[str], seconds: float) -> str:
        claims = {"client_id": client, "scope": scopes, "iss": "https://uaa/oauth/token", "exp": time.time() + seconds}
        text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "HS256"}, claims))
        return f"{text}.{self._sign(text)}"

    def signed(self, token: str) -> bool:
        text, _dot, signature = token.rpartition(".")
        return hmac.compare_digest(signature, self._sign(text))

    @staticmethod
    def parse(header: str) -> str:
        words = header.split(" ")
        if len(words) != 2:
            raise unauthorized("invalid token format")
        if words[0].lower() != "bearer":
            raise unauthorized(f"Invalid token type: {words[0]}")
        if words[1].count(".") != 2:
            raise unauthorized("token contains an invalid number of segments")
        return words[1]

    @staticmethod
    def check(token: str, scope: str) -> None:
        text = token.rpartition(".")[0]
        claims = json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))
        if claims["exp"] < time.time():
            raise unauthorized("Token is expired")
        if scope not in claims["scope"]:
            raise unauthorized("You are not authorized to perform the requested action")

    def _sign(self, text: str) -> str:
        return base64.urlsafe_b64encode(hmac.digest(self.key, text.encode(), hashlib.sha256)).decode().rstrip("=")


class Table:
    """The TCP routes. Requests run in parallel, without a lock between the look for a row and its insertion."""

    def __init__(self, groups: list[dict[str, t.Any]], max_ttl: int, row_seconds: float) -> None:
        for group in groups:
            check_group(group["name"], group.get("reservable_ports") or "")
        self.groups = [{"guid": str(uuid.uuid4()), **group} for group in groups]
        self.max_ttl, self.row_seconds = max_ttl, row_seconds
        # Rows by their key. NULL equals nothing, so rows without a TLS port have a key of their own each.
        self.rows: dict[t.Any, list[dict[str, t.Any]]] = {}
        self.lock = threading.Lock()

    def validate(self, route: dict[str, t.Any], ttl: bool) -> None:
        group, port, ip = route.get("router_group_guid", ""), route.get("port", 0), route.get("backend_ip", "")
        backend_port, tls_port = route.get("backend_port", 0), route.get("backend_tls_port", 0)
        shown = f"RouteMapping=[{group}:{port}<->{ip}:{backend_port}]"
        if not group:
            raise invalid(f"Each tcp mapping requires a non empty router group guid. {shown}")
        if port <= 0:
            raise invalid(f"Each tcp mapping requires a positive external port. {shown}")
        if not ip:
            raise invalid(f"Each tcp mapping requires a non empty backend ip. {shown}")
        if backend_port <= 0 and tls_port <= 0:
            raise invalid(f"Each tcp mapping requires a positive backend port. {shown}")
        if tls_port > 65535:
            raise invalid(f"Each tcp mapping with a backend TLS port requires that port to be less than or equal to 65535. {shown}")
        if ttl and route["ttl"] > self.max_ttl:
            raise invalid(f"Each tcp mapping requires TTL to be less than or equal to {self.max_ttl}. {shown}")
        if ttl and route["ttl"] <= 0:
            raise invalid("Each tcp route mapping requires a ttl greater than 0")
        if ttl and group not in [known["guid"] for known in self.groups]:
            raise invalid(f"router_group_guid: {group} not found")

    def create(self, routes: list[dict[str, t.Any]]) -> None:
        routes = [{"ttl": self.max_ttl, **route} for route in routes]
        for route in routes:
            self.validate(route, ttl=True)
        # One by one: those before a failure stay.
        for route in routes:
            key, row = self.find(route)
            time.sleep(self.row_seconds)
            with self.lock:
                if row is None:
                    row = {"isolation_segment": "", "instance_id": "", "terminate_frontend_tls": False, "backend_tls_port": 0, **route}
                    row["modification_tag"] = {"guid": str(uuid.uuid4()), "index": -1}
                    self.rows.setdefault(key, []).append(row)
                # The other columns never change.
                row.update(ttl=route["ttl"], expires=time.time() + route["ttl"], isolation_segment=route.get("isolation_segment", ""))
                row["modification_tag"]["index"] += 1

    def delete(self, routes: list[dict[str, t.Any]]) -> None:
        for route in routes:
            self.validate(route, ttl=False)
        for route in routes:
            key, row = self.find(route)
            if row is not None:
                time.sleep(self.row_seconds)
                with self.lock:
                    self.rows.pop(key, None)

    def find(self, route: dict[str, t.Any]) -> tuple[t.Any, dict[str, t.Any] | None]:
        """Return the key and the row of a route, also if it has expired."""
        key = tuple(route.get(name) for name in KEYS) if route.get("backend_tls_port") else uuid.uuid4()
        with self.lock:
            found = self.rows.get(key, [])
            if len(found) > 1:
                raise database("have duplicate tcp route mappings")
            return key, found[0] if found else None

    def all(self) -> list[dict[str, t.Any]]:
        with self.lock:
            return [row for rows in self.rows.values() for row in rows]

    def listed(self, expired: bool = False) -> list[dict[str, t.Any]]:
        """Return the rows, without those that have expired and are not pruned yet, unless they are wanted."""
        now = time.time()
        return [{key: value for key, value in row.items() if key != "expires"} for row in self.all() if expired or row["expires"] > now]

    def duplicate(self, port: int) -> None:
        """Add a second row for each route of a port, as two requests at the same time do."""
        with self.lock:
            for rows in self.rows.values():
                rows += [{**row, "modification_tag": {"guid": str(uuid.uuid4()), "index": 0}} for row in rows if row["port"] == port]

    def forget(self) -> None:
        with self.lock:
            self.rows = {}

    def prune(self) -> None:
        limit = time.time() - SLACK_SECONDS
        with self.lock:
            kept = {key: [row for row in rows if row["expires"] > limit] for key, rows in self.rows.items()}
            self.rows = {key: rows for key, rows in kept.items() if rows}


class State:
    """The state of both stand-ins, which tests change."""

    def __init__(self, config: dict[str, t.Any]) -> None:
        self.clients = config["clients"]
        self.token_seconds = config.get("token_seconds", 3600)
        self.table = Table(config["router_groups"], config.get("max_ttl", 120), config.get("row_seconds", 0.0012))
        self.tls_port_type = config.get("tls_port_type", "int")
        # UAA's key, and the one that the routing API has cached.
        self.tokens = self.cached = Tokens()
        self.down: list[str] = []
        self.requests: dict[str, int] = {}
        self.lock = threading.Lock()

    def change(self, wish: dict[str, t.Any]) -> None:
        self.down = wish.get("down", self.down)
        self.clients = wish.get("clients", self.clients)
        self.token_seconds = wish.get("token_seconds", self.token_seconds)
        self.table.row_seconds = wish.get("row_seconds", self.table.row_seconds)
        self.tls_port_type = wish.get("tls_port_type", self.tls_port_type)
        if "duplicate" in wish:
            self.table.duplicate(wish["duplicate"])
        if wish.get("revoke"):
            self.tokens = Tokens()
        if wish.get("forget"):
            self.requests = {}
            self.table.forget()

    def authorize(self, header: str, scope: str) -> None:
        """Check a token. The cached key counts until a token of another one comes."""
        token = Tokens.parse(header)
        if not self.cached.signed(token):
            if "uaa" not in self.down:
                self.cached = self.tokens
            if not self.cached.signed(token):
                raise unauthorized("crypto/rsa: verification error")
        Tokens.check(token, scope)


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves both APIs at one address, and the control at another."""

    protocol_version = "HTTP/1.1"
    # Headers and body are written separately.
    disable_nagle_algorithm = True
    state: State
    control = False

    def answer(self, status: int, body: object = None) -> None:
        content = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        # The routing API states no type, so Go's server guesses.
        plain = self.path.startswith("/routing/") or isinstance(body, str)
        self.send_header("Content-Type", "text/plain; charset=utf-8" if plain else "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urllib.parse.urlsplit(self.path)
        try:
            status, result = self.steer(url.path, body) if self.control else self.serve(url, body)
        except Answer as answer:
            status, result = answer.status, answer.body
        self.answer(status, result)

    do_GET = do_POST = do_PUT = do_DELETE = respond

    def steer(self, path: str, body: bytes) -> tuple[int, object]:
        table = self.state.table
        if self.command == "POST" and path == "/state":
            self.state.change(json.loads(body))
        elif path not in ("/state", "/counts"):
            return 404, None
        counts = {"rows": len(table.all()), "requests": dict(self.state.requests)}
        if path == "/counts":
            return 200, counts
        # The TCP routers know a route until its deletion or its pruning is told.
        return 200, {**counts, "routes": table.listed(), "routed": table.listed(expired=True), "groups": table.groups, "down": self.state.down}

    def serve(self, url: urllib.parse.SplitResult, body: bytes) -> tuple[int, object]:
        part = "routing_api" if url.path.startswith("/routing/") else "uaa"
        asked = f"{self.command} {url.path}"
        with self.state.lock:
            self.state.requests[asked] = self.state.requests.get(asked, 0) + 1
        if part in self.state.down:
            return 503, {"error": f"{part} is down"}
        if part == "uaa":
            return self.uaa(url.path, body)
        if url.path not in METHODS:
            return 404, "404 page not found\n"
        if self.command != METHODS[url.path]:
            return 405, "Method Not Allowed\n"
        if url.path == GROUPS:
            return self.groups(urllib.parse.parse_qs(url.query))
        if url.path == ROUTES:
            self.authorize("routing.routes.read")
            self.ask_database()
            return 200, self.state.table.listed()
        routes = decode(body, self.state.tls_port_type)
        self.authorize("routing.routes.write")
        self.ask_database()
        if url.path.endswith("create"):
            self.state.table.create(routes)
            return 201, None
        self.state.table.delete(routes)
        return 204, None

    def authorize(self, scope: str) -> None:
        self.state.authorize(self.headers.get("Authorization", ""), scope)

    def ask_database(self) -> None:
        if "database" in self.state.down:
            raise database("dial tcp: connect: connection refused")

    def groups(self, query: dict[str, list[str]]) -> tuple[int, object]:
        self.authorize("routing.router_groups.read")
        groups = self.state.table.groups
        if "name" in query and "database" in self.state.down:
            groups = []
        elif "database" in self.state.down:
            self.ask_database()
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
        state.table.prune()


if __name__ == "__main__":
    main()

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real HAProxy that routes by the tables of both stand-ins, as cf-tcp-router and gorouter do. It needs Python's standard library and haproxy.

    python3 routers.py --config FILE.json

{"address": "0.0.0.0", "http_port": 80, "directory": "/run/routers", "haproxy": "/usr/sbin/haproxy",
 "routing_api": {"control": "http://127.0.0.1:3444"},
 "gorouter": {"url": "http://127.0.0.1:8082", "user": "router-status", "password": …}, "ca_file": …, "seconds": 0.3}

Each TCP port becomes a frontend, with SNI if a route has a host name; router groups make no difference. TCP has the defaults of the BOSH job: a
connection waits 30 s for its backend, is tried there again, and never goes to another one. HAProxy is reloaded once for each backend that comes or goes.
HTTP requests are routed by Host and path; an unknown route gets gorouter's answer. If a backend refuses a connection, gorouter tries the next one.
TLS backends are tried with a handshake: 503 for a wrong name, 525 without TLS, 526 for an unknown authority. If a stand-in does not answer, the
configuration stays.
"""

from __future__ import annotations

import argparse
import base64
import collections
import functools
import json
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import time
import typing as t
import urllib.error
import urllib.request

HEAD = """global
  maxconn 2000
defaults
  timeout connect 30000ms
  timeout client 1h
  timeout server 1h
  # Without redispatch, all of the three retries go to the same server.
"""
# gorouter's, for HTTP only.
HTTP = ["  mode http", "  timeout connect 5s", "  retries 3", "  option redispatch 1", "  retry-on conn-failure"]
# How long the result of a handshake counts; an endpoint that failed is dropped until it is registered again.
HANDSHAKE_SECONDS = 20
RELOAD_SECONDS = 0.2
UNKNOWN = """backend unknown
  mode http
  http-request return status 404 hdr X-Cf-Routererror unknown_route content-type text/plain \
lf-string "404 Not Found: Requested route ('%[req.hdr(host)]') does not exist.\\n"
"""


def servers(backends: t.Iterable[tuple[str, str]]) -> list[str]:
    return [f"  server s{index} {where}{options}" for index, (where, options) in enumerate(sorted(backends))]


def render(tcp: list[dict[str, t.Any]], http: dict[str, list[dict[str, t.Any]]], config: dict[str, t.Any]) -> str:
    """Return the configuration of HAProxy for both tables."""
    lines = [HEAD]
    ports: dict[int, dict[str, set[tuple[str, str]]]] = collections.defaultdict(lambda: collections.defaultdict(set))
    for route in tcp:
        ports[route["port"]][route.get("backend_sni_hostname") or ""].add((f"{route['backend_ip']}:{route['backend_port']}", ""))
    for port, names in sorted(ports.items()):
        lines += [f"frontend tcp_{port}", "  mode tcp", f"  bind {config['address']}:{port}"]
        if any(names):
            lines += ["  tcp-request inspect-delay 5s", "  tcp-request content accept if { req.ssl_hello_type 1 }"]
        lines += [f"  use_backend tcp_{port}_{name} if {{ req.ssl_sni {name} }}" for name in sorted(filter(None, names))]
        lines += [f"  default_backend tcp_{port}_"] * ("" in names)
        for name, backends in sorted(names.items()):
            lines += [f"backend tcp_{port}_{name}", "  mode tcp", *servers(backends)]
    lines += ["frontend http", "  mode http", f"  bind {config['address']}:{config['http_port']}"]
    lines.append("  http-request set-var(txn.host) req.hdr(host),field(1,:),lower")
    lines.append("  http-request set-var(txn.path) path,lower")
    # Longest path first; wildcards after all names.
    ordered = sorted(http, key=lambda uri: ("*" in uri, -len(uri), uri))
    for index, uri in enumerate(ordered):
        host, slash, path = uri.partition("/")
        match = f"{{ var(txn.host) -m end {host[1:]} }}" if host.startswith("*.") else f"{{ var(txn.host) -m str {host} }}"
        below = f" {{ var(txn.path) -m str {slash}{path} }} || {match} {{ var(txn.path) -m beg {slash}{path}/ }}" if path else ""
        lines.append(f"  use_backend http_{index} if {match}{below}")
    lines.append("  default_backend unknown")
    for index, uri in enumerate(ordered):
        backends, failures = [], []
        for endpoint in http[uri]:
            name = endpoint.get("server_cert_domain_san")
            failure = handshake(endpoint["address"], name, config.get("ca_file")) if endpoint["tls"] else 0
            if failure:
                failures.append(failure)
                continue
            verify = f" ssl verify required ca-file {config.get('ca_file')}{f' verifyhost {name}' if name else ''}" if endpoint["tls"] else ""
            backends.append((endpoint["address"], verify))
        lines.append(f"backend http_{index}")
        if backends:
            lines += [*HTTP, *servers(backends)]
        else:
            lines += ["  mode http", *(f"  http-request return status {failure}" for failure in failures[:1])]
    return "\n".join([*lines, UNKNOWN])


@functools.lru_cache(maxsize=1000)
def _handshake(address: str, name: str | None, ca_file: str | None, _turn: int) -> int:
    host, _colon, port = address.rpartition(":")
    tls = ssl.create_default_context(cafile=ca_file)
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=1) as plain, tls.wrap_socket(plain, server_hostname=name or host):
            return 0
    except ssl.SSLCertVerificationError as error:
        return 503 if error.verify_code == 62 else 526
    except (ssl.SSLError, ConnectionResetError, TimeoutError):
        return 525
    except OSError:
        return 0  # the request finds out


def handshake(address: str, name: str | None, ca_file: str | None) -> int:
    """Return the status with which gorouter reports a failed TLS handshake, or 0."""
    return _handshake(address, name, ca_file, int(time.monotonic() / HANDSHAKE_SECONDS))


def key(route: dict[str, t.Any]) -> tuple[t.Any, ...]:
    return route["port"], route.get("backend_sni_hostname") or "", route["backend_ip"], route["backend_port"]


def events(before: list[dict[str, t.Any]], after: list[dict[str, t.Any]]) -> t.Iterator[list[dict[str, t.Any]]]:
    """Yield the table after each event that leads from one table to the other: one for each backend."""
    old, new = {key(route): route for route in before}, {key(route): route for route in after}
    table = dict(old)
    for name in sorted(old.keys() - new.keys()):
        del table[name]
        yield list(table.values())
    for name in sorted(new.keys() - old.keys()):
        table[name] = new[name]
        yield list(table.values())


def ask(url: str, login: tuple[str, str] | None = None) -> t.Any:
    request = urllib.request.Request(url)
    if login:
        request.add_header("Authorization", "Basic " + base64.b64encode(":".join(login).encode()).decode())
    with urllib.request.urlopen(request, timeout=2) as answer:
        return json.load(answer)


class Haproxy:
    """The HAProxy process. A new configuration is loaded without losing a connection."""

    def __init__(self, config: dict[str, t.Any]) -> None:
        self.program = config.get("haproxy", "/usr/sbin/haproxy")
        self.path = pathlib.Path(config["directory"]) / "haproxy.cfg"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.process: subprocess.Popen | None = None
        self.now = ""

    def follow(self, text: str) -> None:
        if self.process and self.process.poll() is not None:
            sys.exit(f"haproxy ended with {self.process.returncode}")
        if text == self.now:
            return
        candidate = self.path.with_suffix(".new")
        candidate.write_text(text)
        checked = subprocess.run([self.program, "-c", "-q", "-f", candidate], capture_output=True, text=True, check=False)
        self.now = text
        if checked.returncode:
            print(checked.stderr, flush=True)
            return
        candidate.rename(self.path)
        if self.process:
            self.process.send_signal(signal.SIGUSR2)
        else:
            self.process = subprocess.Popen([self.program, "-W", "-f", self.path])
        # A signal during its start would end it.
        time.sleep(RELOAD_SECONDS)

    def end(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait()


def tables(config: dict[str, t.Any]) -> tuple[list[dict[str, t.Any]], dict[str, t.Any]]:
    state = ask(f"{config['routing_api']['control']}/state")
    gorouter = config["gorouter"]
    return state["routed"], ask(f"{gorouter['url']}/routes", (gorouter["user"], gorouter["password"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True, type=pathlib.Path)
    config = json.loads(parser.parse_args().config.read_text())
    haproxy = Haproxy(config)
    known: list[dict[str, t.Any]] = []
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    try:
        while True:
            try:
                tcp, http = tables(config)
                for table in events(known, tcp):
                    haproxy.follow(render(table, http, config))
                known = tcp
                haproxy.follow(render(tcp, http, config))
            except (urllib.error.URLError, OSError, ValueError) as error:
                print(f"the routers stay as they are: {error}", flush=True)
            time.sleep(config.get("seconds", 0.3))
    finally:
        haproxy.end()


if __name__ == "__main__":
    main()

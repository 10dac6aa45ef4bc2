# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules for Cloud Foundry's routes against a stand-in for the routing API that behaves like upstream's, including its defects."""

from __future__ import annotations

import base64
import http.server
import importlib
import json
import pathlib
import ssl
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import pytest
from _apiserver import Pair
from _etcd import free_ports
from _http import serving
from ansible.module_utils.testing import patch_module_args

STANDIN = pathlib.Path(__file__).parents[1] / "standins/routing_api.py"
SECRET = "the client's secret"
SCOPES = ["routing.router_groups.read", "routing.routes.read", "routing.routes.write"]
MODULES = "ansible_collections.cfcr.kubernetes.plugins.modules"


class RoutingApi:
    """The stand-in, and its control interface for tests."""

    def __init__(self, directory: pathlib.Path) -> None:
        port, control = free_ports(2)
        self.ca, key = Pair("routing-api").write(directory / "routing-api")
        self.url, self.control = f"https://127.0.0.1:{port}", f"http://127.0.0.1:{control}/state"
        self.tls = ssl.create_default_context(cafile=self.ca)
        config = {
            "listen": f"127.0.0.1:{port}",
            "control": f"127.0.0.1:{control}",
            "certificate_file": self.ca,
            "key_file": key,
            "clients": {"cfcr": {"secret": SECRET, "scopes": SCOPES}, "reader": {"secret": SECRET, "scopes": SCOPES[:2]}},
            "router_groups": [
                {"name": "default-tcp", "type": "tcp", "reservable_ports": "1024-1123,2000"},
                {"name": "default-http", "type": "http", "reservable_ports": ""},
            ],
        }
        path = directory / "routing-api.json"
        path.write_text(json.dumps(config))
        self.process = subprocess.Popen([sys.executable, STANDIN, "--config", path])
        deadline = time.monotonic() + 10
        while not self.answers():
            assert time.monotonic() < deadline and self.process.poll() is None
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            return bool(self.state())
        except OSError:
            return False

    def state(self, **wish) -> dict:
        with urllib.request.urlopen(self.control, json.dumps(wish).encode() if wish else None, timeout=5) as answer:
            return json.load(answer)

    def routes(self) -> list[tuple]:
        fields = ("port", "backend_ip", "backend_port", "backend_sni_hostname", "ttl")
        return sorted(tuple(route.get(field) for field in fields) for route in self.state()["routes"])

    def create(self, **route) -> None:
        """Create a route directly, with or without backend_tls_port, as another client could."""
        form = {"client_id": "cfcr", "client_secret": SECRET, "grant_type": "client_credentials"}
        with urllib.request.urlopen(f"{self.url}/oauth/token", urllib.parse.urlencode(form).encode(), context=self.tls) as answer:
            token = json.load(answer)["access_token"]
        body = [{"router_group_guid": self.state()["groups"][0]["guid"], "ttl": 60, **route}]
        request = urllib.request.Request(
            f"{self.url}/routing/v1/tcp_routes/create", json.dumps(body).encode(), {"Authorization": f"bearer {token}"}
        )
        urllib.request.urlopen(request, context=self.tls).close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    started = RoutingApi(tmp_path_factory.mktemp("routing-api"))
    yield started
    started.process.terminate()
    started.process.wait()


@pytest.fixture
def api(server):
    """Return the stand-in with an empty table."""
    server.state(forget=True, down=[], token_seconds=3600)
    return server


@pytest.fixture
def run(capsys):
    def call(module: str, check: bool = False, fails: str = "", **options) -> dict:
        with patch_module_args({**options, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            importlib.import_module(f"{MODULES}.{module}").main()
        output = capsys.readouterr().out
        # The invocation only repeats the options.
        result = json.loads(output)
        result.pop("invocation", None)
        assert SECRET not in json.dumps(result)
        assert bool(result.get("failed")) == bool(fails) and fails in result.get("msg", ""), result
        return result

    return call


@pytest.fixture
def client(api):
    return {"api_url": api.url, "uaa_url": api.url, "client_id": "cfcr", "client_secret": SECRET, "ca_path": api.ca}


@pytest.fixture
def route(run, client):
    def call(*backends: str, **options) -> dict:
        listed = [{"ip": ip, "port": int(port)} for ip, port in (backend.split(":") for backend in backends)]
        return run("cf_tcp_route", **{**client, "router_group": "default-tcp", "port": 1024, "backends": listed, **options})

    return call


def test_four_runs(route, api):
    """Check, apply, apply, check: the first run makes the predicted changes, and the later ones make none."""
    wanted = ("10.0.0.2:8443", "10.0.0.1:8443")
    predicted = route(*wanted, check=True)
    assert predicted["changed"] and not api.routes()
    applied = route(*wanted)
    assert applied["changed"] and applied["diff"] == predicted["diff"]
    assert applied["diff"] == {
        "before": {"port": 1024, "backends": []},
        "after": {"port": 1024, "backends": ["10.0.0.1:8443", "10.0.0.2:8443"]},
    }
    assert api.routes() == [(1024, "10.0.0.1", 8443, None, 120), (1024, "10.0.0.2", 8443, None, 120)]
    assert not route(*wanted)["changed"] and not route(*wanted, check=True)["changed"]
    # Repeated registrations share a row, because they have a TLS port.
    assert api.state()["rows"] == 2


def test_every_run_renews_the_ttl(route, api):
    route("10.0.0.1:8443", ttl=5)
    assert not route("10.0.0.1:8443", ttl=60)["changed"]
    assert api.routes() == [(1024, "10.0.0.1", 8443, None, 60)]


def test_other_backends_are_deleted(route, api):
    route("10.0.0.1:8443", "10.0.0.2:8443")
    assert route("10.0.0.2:8443", "10.0.0.3:8443")["changed"]
    assert [row[1] for row in api.routes()] == ["10.0.0.2", "10.0.0.3"]


def test_absent(route, api):
    route("10.0.0.1:8443")
    assert route(state="absent", check=True)["changed"] and api.routes()
    assert route(state="absent")["changed"] and not api.routes() and api.state()["rows"] == 0
    assert not route(state="absent")["changed"]


def test_an_ineffective_deletion_is_reported(route, api):
    """The API answers the deletion with success, but keeps the route."""
    api.create(port=1024, backend_ip="10.0.0.9", backend_port=8443)
    result = route(state="absent", fails="the routing API accepted the request, but did not apply it to 10.0.0.9:8443")
    assert "leaves only when it expires" in result["msg"] and len(api.routes()) == 1


def test_server_names_share_a_port(route, api):
    """The routes of one server name do not affect those of another."""
    route("10.0.0.1:8443", sni_hostname="one.example.com")
    route("10.1.0.1:8443", sni_hostname="two.example.com")
    assert [row[1:4] for row in api.routes()] == [("10.0.0.1", 8443, "one.example.com"), ("10.1.0.1", 8443, "two.example.com")]
    route(state="absent", sni_hostname="one.example.com")
    assert [row[3] for row in api.routes()] == ["two.example.com"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"port": 1124}, "port: found 1124, expected one of router group default-tcp: 1024-1123,2000"),
        ({"router_group": "none"}, "router_group: found 'none', expected one of default-tcp, default-http"),
        ({"router_group": "default-http"}, "expected one of router group default-http: none"),
        ({"backends": []}, "backends: found none, expected at least one with state present"),
        ({"backends": [{"ip": "master-0", "port": 8443}]}, "'master-0' does not appear to be an IPv4 or IPv6 address"),
        ({"backends": [{"ip": "10.0.0.1", "port": 0}]}, "backends: found port 0, expected 1 to 65535"),
        ({"ttl": 121}, "requires TTL to be less than or equal to 120"),
        ({"client_secret": "wrong"}, "401 Bad credentials"),
        ({"client_id": "reader"}, "tcp_routes/create: 401 You are not authorized to perform the requested action"),
        ({"ca_path": None}, "certificate verify failed"),
    ],
)
def test_mistakes(route, api, options, complaint):
    """A mistake is reported before anything is registered, with the message of the server that refuses it."""
    route("10.0.0.1:8443", fails=complaint, **options)
    assert not api.routes()


@pytest.mark.parametrize("part", ["uaa", "routing_api"])
def test_the_message_names_the_failed_server(route, api, part):
    api.state(down=[part])
    route("10.0.0.1:8443", fails=f"503 {part} is down")


def test_router_groups(run, client):
    found = run("cf_router_group_info", **client)["router_groups"]
    assert [(group["name"], group["type"], group["reservable_ports"]) for group in found] == [
        ("default-tcp", "tcp", "1024-1123,2000"),
        ("default-http", "http", ""),
    ]
    assert run("cf_router_group_info", **client, name="default-tcp", check=True)["router_groups"] == found[:1]
    assert run("cf_router_group_info", **client, name="none")["router_groups"] == []


def test_router_groups_without_a_database(run, client, api):
    """The API would answer a request with a name by 404, as if there were no such group."""
    api.state(down=["database"])
    run("cf_router_group_info", **client, name="default-tcp", fails="503 dial tcp: connect: connection refused")


def test_an_old_routing_api_is_named(route, api):
    api.state(tls_port_type="uint16")
    try:
        route("10.0.0.1:8443", fails="expected that of cf-deployment 43 or later (routing-release 0.302)")
    finally:
        api.state(tls_port_type="int")


class Gorouter(http.server.BaseHTTPRequestHandler):
    """A server of gorouter's routing table."""

    table = {
        "web.example.com": [{"address": "10.0.0.5:30080", "tls": False, "ttl": 120}],
        "other.example.com/v2": [{"address": "10.0.0.6:30081"}],
    }

    def do_GET(self):
        authorized = self.headers.get("Authorization") == "Basic " + base64.b64encode(f"router-status:{SECRET}".encode()).decode()
        self.send_response(200 if authorized else 401)
        self.end_headers()
        self.wfile.write(json.dumps(self.table).encode() if authorized else b"401 Unauthorized")

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""


def test_http_routes(run):
    with serving(Gorouter) as url:
        assert run("cf_http_route_info", url=f"{url}/routes", password=SECRET)["routes"] == Gorouter.table
        found = run("cf_http_route_info", url=f"{url}/routes", password=SECRET, uris=["WEB.example.com/", "none.example.com"], check=True)
        assert list(found["routes"]) == ["web.example.com"] and not found["changed"]
        run("cf_http_route_info", url=f"{url}/routes", password="wrong", fails="401")
    run("cf_http_route_info", url=f"{url}/routes", password=SECRET, fails="refused")

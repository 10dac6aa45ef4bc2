# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stand-ins behave as the real components did: routing-api 44661ed with PostgreSQL, gorouter a602bb6, cf-tcp-router 2de6b29 with its BOSH job."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest
from _world import ROUTING_SECRET, SCOPES, STANDINS, until
from test_routes import fetch_token

sys.path.append(str(STANDINS))
import gorouter  # noqa: E402 - the import needs the path
import routers  # noqa: E402
import routing_api  # noqa: E402


def ask(world, method: str, path: str, body: object = None, token: str | None = None, kind: str = "bearer") -> tuple[int, str, str]:
    """Return the status, the type and the text of an answer of the routing API."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    headers = {"Authorization": f"{kind} {fetch_token(world) if token is None else token}"}
    request = urllib.request.Request(f"https://127.0.0.1:{world.api_port}/routing/v1/{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=world.ca), timeout=60) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def row(world, **changes) -> dict:
    group = next(group["guid"] for group in world.table()["groups"] if group["name"] == "tcp")
    whole = {"router_group_guid": group, "port": 40000, "backend_ip": "10.0.0.1", "backend_port": 30080, "backend_tls_port": -1, "ttl": 60}
    return {key: value for key, value in {**whole, **changes}.items() if value is not ...}


def refusal(world, body: object, **more) -> str:
    status, kind, text = ask(world, "POST", "tcp_routes/create", body, **more)
    assert status in (400, 401, 503) and kind.startswith("text/plain")
    answer = json.loads(text)
    return f"{status} {answer['name']}: {answer['message']}"


def test_parallel_requests_make_duplicates(world):
    """Then renewals and deletions are refused until the rows have expired and are pruned."""
    rows = [row(world, backend_ip=f"10.0.0.{index}", ttl=3) for index in range(20)]
    world.set_state(row_seconds=0.02)
    threads = [threading.Thread(target=ask, args=(world, "POST", "tcp_routes/create", rows)) for _request in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.table()["rows"] > 20
    refused = "503 DBCommunicationError: have duplicate tcp route mappings"
    assert refusal(world, rows) == refused
    assert ask(world, "POST", "tcp_routes/delete", rows)[0] == 503
    until(lambda: not world.tcp(), 5)
    assert world.table()["rows"] > 20, "expired rows are hidden, but not pruned"
    assert refusal(world, rows) == refused
    until(lambda: world.table()["rows"] == 0, 15)
    assert ask(world, "POST", "tcp_routes/create", rows)[0] == 201


def test_a_request_goes_on_without_its_client(world):
    world.set_state(row_seconds=0.1)
    token = fetch_token(world)
    rows = [row(world, backend_ip=f"10.0.0.{index}") for index in range(20)]
    data, headers = json.dumps(rows).encode(), {"Authorization": f"bearer {token}"}
    request = urllib.request.Request(f"https://127.0.0.1:{world.api_port}/routing/v1/tcp_routes/create", data, headers)
    with pytest.raises(OSError):
        urllib.request.urlopen(request, context=ssl.create_default_context(cafile=world.ca), timeout=0.5)
    until(lambda: world.table()["rows"] == 20, 5)


def test_a_mapping_takes_time(world):
    rows = [row(world, backend_ip=f"10.0.{index // 250}.{index % 250}") for index in range(1000)]
    token = fetch_token(world)
    for _turn in range(2):
        begin = time.monotonic()
        assert ask(world, "POST", "tcp_routes/create", rows, token)[0] == 201
        assert 1.2 < time.monotonic() - begin < 6


def test_the_key_of_tokens_is_cached(world):
    """A token of the former key counts until one of the new key comes."""
    old = fetch_token(world)
    world.set_state(revoke=True)
    assert ask(world, "GET", "tcp_routes", token=old)[0] == 200
    assert ask(world, "GET", "tcp_routes", token=fetch_token(world))[0] == 200
    assert ask(world, "GET", "tcp_routes", token=old)[0] == 401


def test_overlapping_ports_are_refused(tmp_path):
    config = {"router_groups": [{"name": "tcp", "type": "tcp", "reservable_ports": "40937,40000-42000"}], "clients": {}, "listen": "127.0.0.1:0"}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    done = subprocess.run([sys.executable, STANDINS / "routing_api.py", "--config", path], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode and "Overlapping values: 40937 and [40000-42000]" in done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ttl": 0}, "Each tcp route mapping requires a ttl greater than 0"),
        ({"ttl": -1}, "Each tcp route mapping requires a ttl greater than 0"),
        ({"ttl": 121}, "Each tcp mapping requires TTL to be less than or equal to 120. RouteMapping=[{group}:40000<->10.0.0.1:30080]"),
        ({"port": 0}, "Each tcp mapping requires a positive external port. RouteMapping=[{group}:0<->10.0.0.1:30080]"),
        ({"backend_ip": ""}, "Each tcp mapping requires a non empty backend ip. RouteMapping=[{group}:40000<->:30080]"),
        ({"backend_port": 0}, "Each tcp mapping requires a positive backend port. RouteMapping=[{group}:40000<->10.0.0.1:0]"),
        # The group is looked up last.
        ({"router_group_guid": "x", "ttl": 0}, "Each tcp route mapping requires a ttl greater than 0"),
        ({"router_group_guid": "x"}, "router_group_guid: x not found"),
        ({"port": 70000}, "json: cannot unmarshal number 70000 into Go struct field TcpRouteMapping.port of type uint16"),
        ({"port": "1024"}, "json: cannot unmarshal string into Go struct field TcpRouteMapping.port of type uint16"),
        ({"backend_ip": 1}, "json: cannot unmarshal number 1 into Go struct field TcpRouteMapping.backend_ip of type string"),
        ({"ttl": True}, "json: cannot unmarshal bool into Go struct field TcpRouteMapping.ttl of type int"),
    ],
)
def test_refused_mappings(world, change, message):
    wrong = row(world, **change)
    assert refusal(world, [wrong]) == f"400 ProcessRequestError: Cannot process request: {message.replace('{group}', wrong['router_group_guid'])}"
    assert world.table()["rows"] == 0


def test_old_versions_refuse_the_tls_port(world):
    world.set_state(tls_port_type="uint16")
    assert "cannot unmarshal number -1 into Go struct field TcpRouteMapping.backend_tls_port of type uint16" in refusal(world, [row(world)])


def test_a_missing_tls_port_is_listed_as_zero(world):
    """Each registration adds a row, and no deletion finds one."""
    wrong = row(world, backend_tls_port=...)
    for _turn in range(2):
        assert ask(world, "POST", "tcp_routes/create", [wrong])[0] == 201
    assert ask(world, "POST", "tcp_routes/delete", [wrong])[0] == 204
    assert [entry["backend_tls_port"] for entry in json.loads(ask(world, "GET", "tcp_routes")[2])] == [0, 0]


def test_answers(world):
    assert ask(world, "PUT", "tcp_routes", b"") == (405, "text/plain; charset=utf-8", "Method Not Allowed\n")
    assert ask(world, "GET", "none") == (404, "text/plain; charset=utf-8", "404 page not found\n")
    status, kind, text = ask(world, "GET", "tcp_routes")
    assert (status, kind, text) == (200, "text/plain; charset=utf-8", "[]")
    for kind, token, message in (
        ("basic", "x", "Invalid token type"),
        ("bearer", "a b", "invalid token format"),
        ("bearer", "x", "token contains an invalid number of segments"),
    ):
        assert message in ask(world, "GET", "tcp_routes", token=token, kind=kind)[2]
    # The body is read first.
    assert refusal(world, b"{}", token="x").startswith("400 ProcessRequestError: Cannot process request: json: cannot unmarshal object")


def test_a_group_by_name_without_a_database(world):
    world.set_state(down=["database"])
    assert ask(world, "GET", "router_groups?name=tcp")[0] == 404
    assert ask(world, "GET", "router_groups")[0] == 503


def test_pruning(world):
    """Rows leave the list when they expire, and the routers when they are pruned, every ten seconds."""
    assert json.loads((world.directory / "routing_api.json").read_text()).get("prune_seconds", 10) == 10
    ask(world, "POST", "tcp_routes/create", [row(world, ttl=1)])
    until(lambda: not world.tcp(), 3)
    assert len(world.table()["routed"]) == 1
    until(lambda: not world.table()["routed"], 12)


def test_secrets_and_scopes(world):
    world.set_state(clients={"routing": {"secret": ROUTING_SECRET, "scopes": SCOPES[:1]}})
    assert json.loads(ask(world, "GET", "tcp_routes")[2])["name"] == "UnauthorizedError"


# gorouter


def message(**changes) -> bytes:
    return json.dumps({"host": "10.0.0.1", "port": 80, "uris": ["a.example.com"], **changes}).encode()


@pytest.mark.parametrize(
    ("mode", "segments", "taken"),
    [("all", [], {"", "edge", "other"}), ("segments", ["edge"], {"edge"}), ("shared-and-segments", ["edge"], {"", "edge"})],
)
def test_gorouters_take_the_routes_of_their_segments(mode, segments, taken):
    found = set()
    for segment in ("", "edge", "other"):
        routes = gorouter.Routes({"sharding_mode": mode, "isolation_segments": segments})
        routes.hear("router.register", message(isolation_segment=segment))
        found |= {segment} if routes.table else set()
        # Nor does it hear the unregistration of another segment.
        routes.hear("router.unregister", message(isolation_segment="third"))
        assert bool(routes.table) == (segment in taken and mode != "all")
    assert found == taken


@pytest.mark.parametrize("change", [{"tags": {"a": 1}}, {"tags": []}, {"port": "80"}, {"isolation_segment": 1}])
def test_gorouters_refuse_wrong_types(change):
    routes = gorouter.Routes({})
    routes.hear("router.register", message(**change))
    assert not routes.table and routes.counts["validation-error"] == 1


def test_gorouters_start_before_they_subscribe():
    source = (STANDINS / "gorouter.py").read_text()
    assert source.index("await self.start()\n        await self.client.subscribe") > 0


# The routers


def rendered(*tcp: dict, http: dict | None = None, ca_file: str = "/ca") -> str:
    config = {"address": "127.0.0.1", "http_port": 80, "ca_file": ca_file}
    return routers.render([{"router_group_guid": "g", "backend_port": 80, **route} for route in tcp], http or {}, config)


def test_tcp_routers_have_the_defaults_of_their_job():
    text = rendered({"port": 1024, "backend_ip": "10.0.0.1"})
    tcp = text.partition("frontend http")[0]
    assert "timeout connect 30000ms" in tcp and "option redispatch" not in tcp and " check" not in tcp


def test_tcp_routers_compare_server_names_with_case():
    assert "{ req.ssl_sni One.example.com }" in rendered({"port": 1024, "backend_ip": "10.0.0.1", "backend_sni_hostname": "One.example.com"})


def test_tcp_routers_know_no_router_groups():
    text = rendered({"port": 1024, "backend_ip": "10.0.0.1"}, {"port": 1024, "backend_ip": "10.0.0.2", "router_group_guid": "other"})
    assert text.count("frontend tcp_1024") == 1 and "10.0.0.1:80" in text and "10.0.0.2:80" in text


def test_tcp_routers_reload_for_each_backend():
    before = [{"port": 1024, "backend_ip": f"10.0.0.{index}", "backend_port": 80} for index in range(3)]
    assert len(list(routers.events(before, before[2:]))) == 2 and len(list(routers.events([], before))) == 3
    assert not list(routers.events(before, [{**route, "ttl": 9} for route in before]))


def test_gorouters_compare_paths_without_case():
    text = rendered(http={"a.example.com/v2": [{"address": "10.0.0.1:80", "tls": False}]})
    assert "set-var(txn.path) path,lower" in text and "{ var(txn.path) -m str /v2 }" in text


def test_statuses_of_tls_failures(world):
    """503 for a wrong name, 526 for an unknown authority, 525 for a backend without TLS."""
    address = f"127.0.0.1:{world.api_port}"
    assert routers.handshake(address, "anybody", world.ca) in (0, 503)
    assert routers.handshake(address, "no.such.name", world.ca) == 503
    assert routers.handshake(address, "anybody", world.authority_of_cluster) == 526
    assert routers.handshake(f"127.0.0.1:{world.control_port}", "anybody", world.ca) == 525
    text = rendered(http={"a.example.com": [{"address": address, "tls": True, "server_cert_domain_san": "no.such.name"}]}, ca_file=world.ca)
    assert "http-request return status 503" in text


def test_names_of_types():
    """Each field that the services send is checked by its type."""
    assert {"router_group_guid", "backend_tls_port", "ttl", "instance_id"} <= routing_api.TYPES.keys()

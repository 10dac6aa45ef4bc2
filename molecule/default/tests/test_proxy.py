# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proxy while its configuration, its CA bundle and the masters change."""

from __future__ import annotations

import contextlib
import http.client
import json
import pathlib
import subprocess
import typing as t
import urllib.parse

import pytest
from scenario import DIRECTORY, ContinuousRequests, addresses, administrator, answers, api_answers, apply, kubectl, on, wait, web

PLAYBOOK = pathlib.Path(__file__).parents[1] / "proxy.yml"
CA_BUNDLE = "/etc/kubernetes/pki/kubernetes-ca.crt"
ADDRESSES = addresses()
LISTENER = {"name": "another", "port": 8099, "node_port": 30099}

testinfra_hosts = ["ansible://proxy-0?force_ansible=False"]


class FrequentRequests(ContinuousRequests):
    """Requests frequent enough to notice a restart, during which a proxy refuses connections for a tenth of a second."""

    PAUSE = 0.04


def play(**variables) -> str:
    """Run role proxy alone, which takes two seconds, and return the output."""
    command = ["ansible-playbook", f"--inventory={DIRECTORY}/inventory.yml", f"--extra-vars={json.dumps(variables)}", "--diff", PLAYBOOK]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def status(connection: http.client.HTTPConnection, path: str) -> int:
    """Return the HTTP status of a path."""
    connection.request("GET", path)
    with connection.getresponse() as answer:
        answer.read()
        return answer.status


def metrics(host) -> str:
    return host.check_output("curl --silent http://127.0.0.1:8404/metrics")


@pytest.fixture
def connect():
    """Return a function that opens a connection to the API, and returns one that asks for the HTTP status of a path on it."""
    server, context = administrator()
    with contextlib.ExitStack() as opened:

        def connect() -> t.Callable[[str], int]:
            connection = http.client.HTTPSConnection(urllib.parse.urlsplit(server).netloc, context=context, timeout=5)
            opened.callback(connection.close)
            connection.connect()
            connection.auto_open = 0

            return lambda path: status(connection, path)

        yield connect


@pytest.fixture
def status_on_open_connection(connect):
    """Return the HTTP status of the masters' health on one connection that stays open."""
    ask = connect()
    return lambda: ask("/readyz")


@pytest.fixture
def replace_ca_bundle(host):
    """Replace the CA bundle on the proxy until the test ends."""
    found = host.file(CA_BUNDLE).content_string

    def replace(change: t.Callable[[str], str]) -> None:
        host.run_expect([0], f"cat > {CA_BUNDLE} <<'EOF'\n{change(found)}EOF")

    yield replace
    replace(lambda text: text)
    play()


def test_a_reload_interrupts_no_request(host, status_on_open_connection, replace_ca_bundle, figures):
    process = "systemctl show --property MainPID --property NRestarts haproxy"
    before, listeners = host.check_output(process), host.backend.ansible_runner.get_variables("proxy-0")["proxy_listeners"]
    with FrequentRequests(api_answers) as requests:
        assert "haproxy: reloaded" in play(proxy_listeners=[*listeners, LISTENER])
        assert status_on_open_connection() == 200  # API servers close a connection that is idle for half a minute
        assert host.socket(f"tcp://0.0.0.0:{LISTENER['port']}").is_listening
        refused = play(__proxy_masters={"no name": "10.0.0.1"})
        assert "haproxy is not reloaded and keeps its former configuration" in refused
        assert "[/etc/haproxy/haproxy.cfg:" in refused
        assert status_on_open_connection() == 200
        replace_ca_bundle(lambda text: text + text)
        assert "haproxy: reloaded" in play()
        assert status_on_open_connection() == 200
        assert "changed=0" in play()
        assert status_on_open_connection() == 200
    figures("While the proxy was reloaded twice", **requests.summary)
    assert requests.summary["failed"] == 0
    assert host.check_output(process) == before


def test_a_master_that_stops_finishes_its_connections(host, connect):
    """The API server serves for five more seconds. Before it does not listen any more, the proxy knows that it stops."""

    def is_in(state: str) -> bool:
        return f'haproxy_server_status{{proxy="masters",server="master-1",state="{state}"}} 1' in metrics(host)

    opened = [connect() for _number in range(4)]  # two to each master
    on("master-1", "systemctl", "restart", "--no-block", "kube-apiserver")
    wait(lambda: is_in("NOLB"), 10)
    assert [ask("/version") for ask in opened] == [200] * 4
    wait(lambda: is_in("UP"), 60)


@pytest.fixture
def workload(host):
    """Run web servers behind a listener of the proxy until the test ends, and return the listener."""
    listener = host.backend.ansible_runner.get_variables("proxy-0")["proxy_listeners"][0]
    apply(*web("restarts", [listener["node_port"]], {}))
    kubectl("rollout", "status", "daemonset/restarts", "--timeout=120s")
    yield listener
    kubectl("delete", "daemonset,service", "restarts", "--wait=false")


def test_a_restart_of_kube_proxy_cuts_no_connection(workload, host, figures):
    """The kernel goes on forwarding."""

    def failures() -> int:
        name = f'haproxy_server_check_failures_total{{proxy="{workload["name"]}",server="worker-1"}}'
        return next(int(line.split()[-1]) for line in metrics(host).splitlines() if line.startswith(name))

    url = f"{ADDRESSES['proxy-0']}:{workload['port']}"
    wait(lambda: answers(f"http://{url}/"), 60)
    opened = [http.client.HTTPConnection(url, timeout=5) for _number in range(6)]  # two by each worker
    for connection in opened:
        connection.connect()
        connection.auto_open = 0
        assert status(connection, "/") == 200
    before = failures()
    on("worker-1", "systemctl", "stop", "kube-proxy")
    wait(lambda: failures() >= before + 2, 10)
    on("worker-1", "systemctl", "start", "kube-proxy")
    seconds = wait(lambda: answers(f"http://{ADDRESSES['worker-1']}:10256/healthz"), 60)
    figures("Restart of kube-proxy", seconds_until_healthy=seconds, failed_checks=failures() - before)
    assert [status(connection, "/") for connection in opened] == [200] * 6

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Health checks against a real HTTP server."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess

import pytest
from _http import answers, serving
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import probe

NODE = {"status": {"conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": "True"}]}}
NOT_READY = {"status": {"conditions": [{"type": "Ready", "status": "False", "message": "the network is not up"}]}}
ANSWERS = {
    "/readyz": (200, "ok"),
    "/readyz?exclude=etcd&verbose": (500, "the server sees the query"),
    "/failing": (500, "[+]ping ok\n[-]etcd failed"),
    "/node": (200, json.dumps(NODE)),
    "/not-ready": (200, json.dumps(NOT_READY)),
    "/new": (200, "{}"),
}


@pytest.fixture(scope="module")
def server():
    with serving(answers(ANSWERS)) as url:
        yield url


@pytest.fixture
def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize(
    ("path", "condition", "found"),
    [
        ("/readyz", None, None),
        ("/readyz?exclude=etcd&verbose", None, "/readyz?exclude=etcd&verbose: 500 the server sees the query"),
        ("/failing", None, "/failing: 500 [-]etcd failed"),
        ("/node", "Ready", None),
        ("/not-ready", "Ready", "/not-ready: Ready is False: the network is not up"),
        ("/new", "Ready", "/new: has no condition Ready yet"),
    ],
)
def test_a_failed_check_reports_its_problem(server, path, condition, found):
    said = probe.problem({"url": server + path, "condition": condition})
    assert said == (server + found if found else None)


def test_a_refused_connection_names_the_url(closed_port):
    url = f"http://127.0.0.1:{closed_port}/readyz"
    assert probe.problem({"url": url}) == f"{url}: [Errno 111] Connection refused"


def test_a_certificate_of_an_unknown_authority_is_a_problem(tmp_path):
    def issue(name):
        subject = ["-x509", "-days", "1", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.crt"]
        subprocess.run(["openssl", "req", *subject, *key], cwd=tmp_path, check=True, capture_output=True)

    issue("server")
    issue("another")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    with serving(answers(ANSWERS), tls) as url:
        found = {name: probe.problem({"url": f"{url}/readyz", "ca_path": str(tmp_path / f"{name}.crt")}) for name in ("server", "another")}
    assert found["server"] is None
    assert "CERTIFICATE_VERIFY_FAILED" in found["another"]


def test_waiting_ends_when_the_problem_is_gone():
    problems = iter(["starting", "still starting", None])
    probe.wait(lambda: next(problems), 5, lambda: None)
    assert next(problems, "asked no more often than needed") == "asked no more often than needed"


def test_waiting_times_out():
    with pytest.raises(HostError, match="not healthy after 0 seconds: starting"):
        probe.wait(lambda: "starting", 0, lambda: None)


def test_waiting_ends_if_the_unit_has_failed():
    with pytest.raises(HostError, match="etcd.service has failed; connection refused"):
        probe.wait(lambda: "connection refused", 60, lambda: "etcd.service has failed")

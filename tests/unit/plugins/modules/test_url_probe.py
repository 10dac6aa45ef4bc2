# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ports of this machine, one that listens and one that does not."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.cfcr.kubernetes.plugins.modules import url_probe


@pytest.fixture
def probe(capsys):
    """Run the module with these URLs by name and return its result."""

    def run(**urls):
        probes = [{"name": name, "url": url} for name, url in urls.items()]
        with patch_module_args({"probes": probes, "timeout": 0}), pytest.raises(SystemExit):
            url_probe.main()
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def port():
    """Return the port of a server that answers one request with its path."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def answer():
            connection, _address = listening.accept()
            with connection:
                request = connection.recv(1000).split()
                if request:  # a probe of the port sends none
                    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + request[1])

        threading.Thread(target=answer, daemon=True).start()
        yield listening.getsockname()[1]


def test_each_port_is_reported(probe, port):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        ports = {"open": port, "closed": closed.getsockname()[1]}
        checks = {check["check"]: check for check in probe(**{name: f"tcp://127.0.0.1:{number}" for name, number in ports.items()})["checks"]}
    assert (checks["open"]["ok"], checks["open"]["detail"]) == (True, "127.0.0.1")
    assert not checks["closed"]["ok"] and "refused" in checks["closed"]["detail"]


def test_the_answer_to_a_request_is_reported(probe, port):
    (check,) = probe(web=f"http://127.0.0.1:{port}/hostname")["checks"]
    assert (check["ok"], check["detail"]) == (True, "/hostname")


@pytest.mark.parametrize("url", ["10.0.0.1:22", "tcp://10.0.0.1", "tcp://10.0.0.1:x", "https://10.0.0.1/", "http:///path"])
def test_another_url_is_refused(probe, url):
    result = probe(master=url)
    assert result["failed"] and result["msg"] == f"probes: found {url}, expected http://host[:port][/path] or tcp://host:port"

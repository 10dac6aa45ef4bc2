# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ports of this machine, one that listens and one that does not."""

from __future__ import annotations

import json
import socket

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.cfcr.kubernetes.plugins.modules import tcp_probe


@pytest.fixture
def probe(capsys):
    """Run the module and return its result."""

    def run(**targets):
        with patch_module_args({"targets": targets, "timeout": 0}), pytest.raises(SystemExit):
            tcp_probe.main()
        return json.loads(capsys.readouterr().out)

    return run


def test_each_target_is_reported(probe):
    with socket.socket() as listening, socket.socket() as closed:
        for one in (listening, closed):
            one.bind(("127.0.0.1", 0))
        listening.listen()
        ports = {"open": listening.getsockname()[1], "closed": closed.getsockname()[1]}
        checks = {check["check"]: check for check in probe(**{name: f"127.0.0.1:{port}" for name, port in ports.items()})["checks"]}
    assert (checks["open"]["ok"], checks["open"]["detail"]) == (True, "127.0.0.1")
    assert not checks["closed"]["ok"] and "refused" in checks["closed"]["detail"]


def test_what_is_no_target_is_named(probe):
    result = probe(master="10.0.0.1")
    assert result["failed"] and result["msg"] == "targets: found 10.0.0.1, expected host:port"

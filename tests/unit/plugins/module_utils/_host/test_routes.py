# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts to which packets of pods and requests of users go."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host import routes

FDB = """\
8e:3c:5d:aa:3e:2d dst 10.30.0.21 self permanent
ae:1c:5d:aa:3e:2d dst 10.30.0.11 self permanent
33:33:00:00:00:01 self permanent
"""
HAPROXY = """\
    server-template x 1
    server master-0 10.30.0.11:8443 check check-ssl
    server worker-0 10.30.0.21:30080 check port 10256
    server odd name:30080 check
"""


def test_neighbours_and_backends(monkeypatch, tmp_path):
    monkeypatch.setattr(routes, "run", lambda *_arguments: FDB)
    (tmp_path / "haproxy.cfg").write_text(HAPROXY)
    found = routes.routes("flannel.1", tmp_path / "haproxy.cfg")
    assert found == {"overlay": ["10.30.0.11", "10.30.0.21"], "backends": ["10.30.0.11", "10.30.0.21"]}


@pytest.mark.parametrize("vxlan", [None, "flannel.1"])
def test_a_host_without_them_has_none(monkeypatch, tmp_path, vxlan):
    def run(*_arguments):
        raise HostError("Cannot find device")

    monkeypatch.setattr(routes, "run", run)
    assert routes.routes(vxlan, tmp_path / "haproxy.cfg") == {"overlay": [], "backends": []}

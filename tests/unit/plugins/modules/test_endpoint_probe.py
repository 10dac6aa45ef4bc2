# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the module. test_endpoint.py has the probe itself."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.cfcr.kubernetes.plugins.modules import endpoint_probe


@pytest.fixture
def probe(capsys):
    """Run the module with these options and return its result."""

    def run(**options):
        with patch_module_args({"host": "127.0.0.1", "port": 8443, **options}), pytest.raises(SystemExit):
            endpoint_probe.main()
        return json.loads(capsys.readouterr().out)

    return run


def test_without_a_ca_the_name_is_only_resolved(probe):
    """Provider external does so before masters run."""
    assert probe()["addresses"] == ["127.0.0.1"]


def test_servers_are_refused_without_a_ca(probe):
    assert probe(servers=["https://127.0.0.1:8443"])["msg"] == "missing parameter(s) required by 'servers': authority"

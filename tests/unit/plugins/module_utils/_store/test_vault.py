# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A director without hvac, or with an old version."""

from __future__ import annotations

import sys

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store import vault
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.problems import last_line

OPTIONS = {"address": "https://127.0.0.1:1", "namespace": None, "ca_path": None, "token": "t", "timeout": 1, "mount": "secret", "path": "cfcr"}
EXPECTED = f"expected 2.0 or later, which the store in Vault needs: {sys.executable} -m pip install 'hvac>=2.0'"


@pytest.fixture
def problem():
    """Return the problem that preflight reports."""

    def read():
        backend = vault.VaultBackend({"vault": OPTIONS, "versions": 10})
        with pytest.raises(HostError) as raised:
            backend.names("authorities")
        return last_line(str(raised.value))

    return read


def test_a_missing_hvac_is_reported(problem, monkeypatch):
    monkeypatch.setitem(sys.modules, "hvac", None)
    assert problem() == f"found no library hvac in the Python of the director ({sys.executable}), {EXPECTED}"


def test_an_old_hvac_is_reported(problem, monkeypatch):
    monkeypatch.setattr(vault.importlib.metadata, "version", lambda _name: "1.2.1")
    assert problem() == f"found hvac 1.2.1 in the Python of the director ({sys.executable}), {EXPECTED}"

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replacement of keys by age."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki import files


@pytest.fixture
def keep(tmp_path):
    """Return a function that replaces a key older than the given age, and returns the current key."""

    def run(since, check_mode=False):
        wanted = {"certificates": [{"path": f"{tmp_path}/server", "owner": "root"}], "bundles": [], "key_type": "ecdsa-p256", "since": since}
        return files.read(wanted, check_mode)["certificates"][0]["public_key"]

    return run


@pytest.mark.parametrize("behind", [-3600, 0, 2, 3600])
def test_a_key_is_replaced_once_despite_a_wrong_clock(keep, tmp_path, behind):
    old = keep(0)
    os.rename(tmp_path / "server.key.new", tmp_path / "server.key")
    os.utime(tmp_path / "server.key", (1, 1))
    since = float(int(time.time() + behind))
    assert keep(since, check_mode=True) is None
    new = keep(since)
    assert new != old
    assert keep(since) == keep(since, check_mode=True) == new
    os.rename(tmp_path / "server.key.new", tmp_path / "server.key")
    assert keep(since) == new
    assert keep(since + 7200) != new

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list of CAs is created as a whole, or not at all."""

from __future__ import annotations

import pytest
from _store import local_store
from ansible_collections.cfcr.kubernetes.plugins.module_utils._credentials.authority_list import keep_authorities
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError

NAMES = ("kubernetes", "etcd", "front-proxy")


def keep(directory, cluster):
    """Create the CAs of a cluster and return their names in the store."""
    store = local_store(directory)
    wanted = [{"name": name, "common_name": f"{cluster} {name}", "days": 100, "key_type": "ecdsa-p256"} for name in NAMES]
    try:
        keep_authorities(store, {"authorities": wanted}, check_mode=False)
    finally:
        keep.names = store.names("authorities")


def test_longest_name_of_a_cluster(tmp_path):
    keep(tmp_path, "a" * 52)
    assert keep.names == sorted(NAMES)


def test_no_ca_is_created_if_the_name_of_one_is_too_long(tmp_path):
    with pytest.raises(HostError, match="65 characters, expected 1 to 64"):
        keep(tmp_path, "a" * 53)
    assert keep.names == []

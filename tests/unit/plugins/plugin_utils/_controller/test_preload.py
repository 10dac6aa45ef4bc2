# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib

import pytest
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._controller import preload


@pytest.mark.parametrize("name", preload._LOOKUPS)
def test_the_lookup_exists(name):
    """The loader returns nothing for a name that is wrong, and the run would only be slower."""
    collection, plugin = name.rsplit(".", 1)
    package = "ansible.plugins.lookup" if collection == "ansible.builtin" else f"ansible_collections.{collection}.plugins.lookup"
    assert importlib.import_module(f"{package}.{plugin}").LookupModule

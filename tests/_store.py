# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Local stores for tests."""

from __future__ import annotations

from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.options import find_store
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.store import Store

__all__ = ("local_store",)


def local_store(directory: object, passphrase: str | None = None, versions: int = 10) -> Store:
    """Return the store in a directory."""
    return find_store({"backend": "local", "directory": str(directory), "passphrase": passphrase, "versions": versions})

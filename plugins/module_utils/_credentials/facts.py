# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts of the director: whether it can sign, and which CAs its store has."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
import typing as t

from .._backup.progress import summary as restore_summary
from .._pki.bundle import fingerprints
from .._pki.x509 import CRYPTOGRAPHY_ERROR
from .._store.options import find_store
from .._store.updates import following_in, reached_in, read
from .._store.versions import recorded
from .authorities import get_authority

__all__ = ("director_facts",)


def director_facts(options: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the facts. A store that does not exist yet has no CAs."""
    store = find_store(options["store"])
    update = read(store.backend)
    return {
        "python_version": platform.python_version(),
        "python": sys.executable,
        "cryptography": None if CRYPTOGRAPHY_ERROR else importlib.metadata.version("cryptography"),
        "store": str(store),
        "authorities": {name: fingerprints(get_authority(store, name).bundle()) for name in store.names("authorities")},
        "versions": recorded(store),
        "reached": reached_in(update),
        "following": following_in(update),
        "restore": restore_summary(store.backend),
    }

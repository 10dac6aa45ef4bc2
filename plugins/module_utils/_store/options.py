# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option store of modules and actions, and the store or backend that it names."""

from __future__ import annotations

import sys
import typing as t

from .._errors import HostError
from .._pki.x509 import CRYPTOGRAPHY_ERROR
from .local import LocalBackend
from .store import Backend, Store
from .vault import VAULT, VaultBackend

__all__ = ("STORE", "find_backend", "find_store", "open_store")

_BACKENDS: dict[str, t.Callable[[dict[str, t.Any]], Backend]] = {"local": LocalBackend, "vault": VaultBackend}

STORE: dict[str, t.Any] = {
    "store": {
        "type": "dict",
        "required": True,
        "options": {
            "backend": {"type": "str", "choices": list(_BACKENDS), "default": "local"},
            "passphrase": {"type": "str", "no_log": True},
            "versions": {"type": "int", "default": 10},
            "directory": {"type": "path"},
            "vault": {"type": "dict", "options": VAULT},
        },
        "required_if": [("backend", "local", ("directory",)), ("backend", "vault", ("vault",))],
    },
}


def find_backend(options: dict[str, t.Any]) -> Backend:
    """Return the backend that option store names."""
    if options["versions"] < 1:
        raise HostError(f"store.versions: found {options['versions']}, expected 1 or more")
    return _BACKENDS[options["backend"]](options)


def find_store(options: dict[str, t.Any]) -> Store:
    """Return the store that option store names. Reading its public parts needs no library."""
    return Store(find_backend(options), options["passphrase"])


def open_store(options: dict[str, t.Any]) -> Store:
    """Return the store that option store names, to read secrets or write."""
    if CRYPTOGRAPHY_ERROR:
        raise HostError(
            f"{sys.executable} on the director: found no library cryptography; install it (Debian package python3-cryptography):\n"
            f"{CRYPTOGRAPHY_ERROR}"
        )
    return find_store(options["store"])

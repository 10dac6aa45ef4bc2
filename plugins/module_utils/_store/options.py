# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The start of everything that works with the credential store, in a module or in an action."""

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
    """Return where the store lies that option store names."""
    if options["versions"] < 1:
        raise HostError(f"the store: versions is {options['versions']}, allowed are 1 and more")
    return _BACKENDS[options["backend"]](options)


def find_store(options: dict[str, t.Any]) -> Store:
    """Return the store that option store names; to read what is public in it takes no library."""
    return Store(find_backend(options), options["passphrase"])


def open_store(options: dict[str, t.Any]) -> Store:
    """Return the store that option store names, for whoever makes something."""
    if CRYPTOGRAPHY_ERROR:
        raise HostError(
            f"the Python of the director, {sys.executable}, has no library cryptography; Debian's package is python3-cryptography:\n"
            f"{CRYPTOGRAPHY_ERROR}"
        )
    return find_store(options["store"])

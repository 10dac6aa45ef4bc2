# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The start of everything that works with the credential store, in a module or in an action."""

from __future__ import annotations

import sys
import typing as t

from ._errors import HostError
from ._store import FileStore
from ._x509 import CRYPTOGRAPHY_ERROR

__all__ = ("STORE", "open_store")

STORE: dict[str, t.Any] = {"store": {"type": "path", "required": True}, "passphrase": {"type": "str", "no_log": True}}


def open_store(options: dict[str, t.Any]) -> FileStore:
    """Return the store that the options name."""
    if CRYPTOGRAPHY_ERROR:
        raise HostError(
            f"the Python of the director, {sys.executable}, has no library cryptography; Debian's package is python3-cryptography:\n"
            f"{CRYPTOGRAPHY_ERROR}"
        )
    return FileStore(options["store"], options["passphrase"])

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The start of every module that works with the credential store."""

from __future__ import annotations

import sys
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ._store import FileStore
from ._x509 import CRYPTOGRAPHY_ERROR

__all__ = ("STORE", "open_store")

STORE: dict[str, t.Any] = {"store": {"type": "path", "required": True}, "passphrase": {"type": "str", "no_log": True}}


def open_store(module: AnsibleModule) -> FileStore:
    """Return the store that the module's options name."""
    if CRYPTOGRAPHY_ERROR:
        module.fail_json(
            msg=f"The Python of the director, {sys.executable}, has no library cryptography; Debian's package is python3-cryptography.",
            exception=CRYPTOGRAPHY_ERROR,
        )
    return FileStore(module.params["store"], module.params["passphrase"])

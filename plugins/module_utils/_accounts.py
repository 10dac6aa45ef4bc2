# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""System accounts of services."""

from __future__ import annotations

import pwd

from ._command import run
from ._errors import HostError

__all__ = ("ensure_account",)


def account_exists(name: str) -> bool:
    """Return whether the account exists."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def ensure_account(name: str) -> None:
    """Create a system account with a group of the same name, without home and login, if it is missing."""
    if account_exists(name):
        return
    try:
        run("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", name)
    except HostError:
        if not account_exists(name):  # unless another task has created it meanwhile
            raise

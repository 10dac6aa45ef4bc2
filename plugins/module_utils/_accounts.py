# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""System accounts of services."""

from __future__ import annotations

import pwd

from ._command import run
from ._errors import HostError

__all__ = ("NO_LOGIN", "ensure_account", "login")


# The state of a system account that cannot log in, with either program.
NO_LOGIN = "without login"
_NO_LOGIN = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false")


def login(name: str) -> str | None:
    """Return the shell of an account, or that it has none. It is None if there is no such account."""
    try:
        shell = pwd.getpwnam(name).pw_shell
    except KeyError:
        return None
    return NO_LOGIN if shell in _NO_LOGIN else shell


def ensure_account(name: str) -> None:
    """Create a system account with a group of the same name, without home and login, if it is missing. Take the login from one that has it."""
    if login(name) is not None:
        if name != "root" and login(name) != NO_LOGIN:
            run("usermod", "--shell", _NO_LOGIN[0], name)
        return
    try:
        run("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", _NO_LOGIN[0], name)
    except HostError:
        if login(name) is None:  # unless another task has created it meanwhile
            raise

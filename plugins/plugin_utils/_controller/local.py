# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tell whether a module would run as the user and on the host of its action: then the action needs no other process."""

from __future__ import annotations

import os
import typing as t

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

__all__ = ("is_local", "runs_locally")


def runs_locally(transport: str, becomes: bool, become_user: str | None) -> bool:
    """Return whether a module would run as the same user on the same host. become without a user means root."""
    return transport.rpartition(".")[2] == "local" and (not becomes or (os.geteuid() == 0 and become_user in (None, "", "root")))


def is_local(action: ActionBase) -> bool:
    """Return whether the module of an action would run locally."""
    become = action._connection.become
    user = become.get_option("become_user", playcontext=action._play_context) if become else None
    return runs_locally(action._connection.transport, bool(become), user)

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a module would run in the place of its action, so that it needs no process of its own."""

from __future__ import annotations

import os
import typing as t

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

__all__ = ("is_here",)


def is_here(action: ActionBase) -> bool:
    """Tell whether the module would run as this very user on this very host."""
    become = action._connection.become
    return action._connection.transport == "local" and (
        not become or (os.geteuid() == 0 and become.get_option("become_user", playcontext=action._play_context) in (None, "", "root"))
    )

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Upgrade the packages of the distribution."""

from __future__ import annotations

import typing as t

from ..plugin_utils._controller.changes import note_change
from ..plugin_utils._controller.host_action import HostAction


class ActionModule(HostAction):
    """Run the module of the same name and validate its answer."""

    def answer(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Note that the host may have changed: a job whose program was replaced is no longer in the desired state."""
        try:
            return self._execute_module(task_vars=variables)
        finally:
            if not self._task.check_mode:
                note_change()

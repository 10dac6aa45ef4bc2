# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask the endpoint and the API, in this process where the director is here."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ..module_utils._kubernetes_look import SPEC, look
from ..plugin_utils._here import is_here


class ActionModule(ActionBase):
    """The module of the same name, wherever the director is."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result."""
        result = super().run(tmp, task_vars)
        if not is_here(self):
            return {**result, **self._execute_module(task_vars=task_vars)}
        _validation, options = self.validate_argument_spec(argument_spec=SPEC)
        return {**result, "changed": False, **look(options)}

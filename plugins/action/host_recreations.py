# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read and extend the record of recreated hosts, in this process if the director is the controller."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils._errors import HostError
from ..module_utils._store.options import find_backend
from ..module_utils._store.recreations import SPEC, operate
from ..plugin_utils._controller.local import is_local


class ActionModule(ActionBase):
    """Do the work of the module of the same name."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result."""
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=SPEC)
        if not is_local(self):
            return {**result, **self._execute_module(task_vars=task_vars)}
        try:
            return {**result, **operate(find_backend(options["store"]), options, self._task.check_mode)}
        except HostError as error:
            raise AnsibleActionFail(str(error)) from error

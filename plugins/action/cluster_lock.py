# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take, renew and release the lock of a cluster. The controller identifies this run and finds dead holders."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils._errors import HostError
from ..module_utils._store.lock import SPEC, operate
from ..module_utils._store.options import find_backend
from ..plugin_utils._controller.local import is_local
from ..plugin_utils._controller.run import is_gone, current_run


class ActionModule(ActionBase):
    """Do what the module of the same name does, in this process if the director is the controller."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result."""
        variables = task_vars or {}
        result = super().run(tmp, variables)
        _validation, options = self.validate_argument_spec(argument_spec=SPEC)
        options["holder"] = current_run(variables)
        if options["state"] != "absent":
            # Only the controller sees whether its processes are alive.
            current = self._operate({**options, "state": "query"}, variables)
            if current.get("failed") or current.get("unreachable"):
                return {**result, **current}
            if is_gone(current["holder"]):
                options["gone"] = current["holder"]["id"]
        return {**result, **self._operate(options, variables)}

    def _operate(self, options: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        if not is_local(self):
            return self._execute_module(module_args=options, task_vars=variables)
        try:
            return operate(find_backend(options["store"]), options, self._task.check_mode)
        except HostError as error:
            raise AnsibleActionFail(str(error)) from error

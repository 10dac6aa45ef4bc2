# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Return the status of the endpoint and the nodes, without another process if the controller is the director."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils._kubernetes.status import SPEC, cluster_status, unknown
from ..plugin_utils._controller.deadline import deadline
from ..plugin_utils._controller.local import is_local
from ..plugin_utils._preflight.problems import failure

# Time for the connection, in addition to the two requests of the module.
_CONNECTION_SECONDS = 10


class ActionModule(ActionBase):
    """Run the module on the director, and report a director that cannot be reached."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result."""
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=SPEC)
        if is_local(self):
            return {**result, "changed": False, **cluster_status(options)}
        try:
            with deadline(2 * options["seconds"] + _CONNECTION_SECONDS):
                reply = self._execute_module(task_vars=task_vars)
        except AnsibleError as error:
            reply = {"failed": True, "msg": str(error)}
        if reply.get("failed"):
            return {**result, "changed": False, **unknown(f"the director does not answer: {failure(reply)}")}
        return {**result, **reply}

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reboot a host and wait until it is back."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError

from ..plugin_utils._controller.changes import note_change
from ..plugin_utils._controller.host_action import HostAction, RefusedAnswer

_PAUSE = 1
_ANSWER_SECONDS = 30
_OPTIONS = {"timeout": {"type": "int", "default": 600}, "former": {"type": "str", "default": ""}}


class ActionModule(HostAction):
    """Run the module, which requests the reboot, and ask the host for its boot until that is another one."""

    seconds = _ANSWER_SECONDS

    def answer(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the answer of the host that is back."""
        _validation, options = self.validate_argument_spec(argument_spec=_OPTIONS)
        result = self._execute_module(module_args={}, task_vars=variables)
        if result.get("failed") or self._task.check_mode:
            return result
        note_change()  # its jobs have been restarted
        deadline = time.monotonic() + options["timeout"]
        while time.monotonic() < deadline:
            time.sleep(_PAUSE)
            boot_id = self._boot_id(result["boot_id"], variables)
            if boot_id not in ("", result["boot_id"]):
                return {**result, "boot_id": boot_id}
        raise AnsibleActionFail(f"found no answer of another boot within {options['timeout']} seconds, expected the host to come back from its reboot")

    def _boot_id(self, former: str, variables: dict[str, t.Any]) -> str:
        """Return the boot of the host, or nothing if it does not answer. A connection from before the reboot would hang."""
        with contextlib.suppress(AnsibleError):
            self._connection.reset()
        try:
            return str(self._execute_module(module_args={"former": former}, task_vars=variables).get("boot_id", ""))
        except RefusedAnswer:
            raise
        except AnsibleError:
            return ""

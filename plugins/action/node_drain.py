# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drain a node, in this process if the controller is the director: then it shows which pods block the drain while it waits."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils._errors import HostError
from ..module_utils._kubernetes.client import KubernetesError
from ..module_utils._kubernetes.drain import SPEC, Blocked, operate
from ..module_utils._pki.x509 import CRYPTOGRAPHY_ERROR
from ..plugin_utils._controller.local import is_local
from ..plugin_utils._controller.shapes import Prose

_TELL_SECONDS = 20
_SHOWN = 3


class ActionModule(ActionBase):
    """Do what the module of the same name does."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result."""
        result = super().run(tmp, task_vars)
        if CRYPTOGRAPHY_ERROR or not is_local(self):
            return {**result, **self._execute_module(task_vars=task_vars)}
        _validation, options = self.validate_argument_spec(argument_spec=SPEC)
        self._told, self._name = 0.0, options["name"]
        try:
            return {**result, **operate(options, self._task.check_mode, self._tell)}
        except Blocked as error:
            return {**result, **error.result, "failed": True, "msg": str(error)}
        except (HostError, KubernetesError) as error:
            raise AnsibleActionFail(str(error)) from error

    def _tell(self, blocked: list[dict[str, t.Any]], seconds: float) -> None:
        if seconds - self._told < _TELL_SECONDS:
            return
        self._told = seconds
        reasons = [f"{pod['namespace']}/{pod['pod']} ({pod['reason']})" for pod in blocked[:_SHOWN]]
        more = f" and {len(blocked) - _SHOWN} more pods" if len(blocked) > _SHOWN else ""
        Display().display(Prose(2000)(f"node {self._name}: draining since {seconds:.0f} s because of {', '.join(reasons)}{more}", ""))

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of host_facts: which ports matter, when the module ran, and what became of a host that could not run it."""

from __future__ import annotations

import time
import typing as t

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ..plugin_utils._contract import Contract
from ..plugin_utils._ports import ports_of


class ActionModule(ActionBase):
    """Run the module and say how far the host's clock can be from the controller's."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's facts, or the reason why there are none."""
        variables = task_vars or {}
        result = super().run(tmp, variables)
        sent = time.time()
        try:
            reply = self._execute_module(module_args=self._arguments(variables), task_vars=variables)
        except AnsibleConnectionFailure as error:
            if not self._reports():
                raise
            return {**result, **_report(f"unreachable: {error}")}
        except AnsibleError as error:
            if not self._reports():
                raise
            return {**result, **_report(str(error))}
        received = time.time()
        if reply.get("failed"):
            return {**result, **_report(_reason(reply))} if self._reports() else reply
        facts = reply["ansible_facts"]["cfcr_host"]
        facts["clock_offset"] = [round(facts["time"] - received, 3), round(facts["time"] - sent, 3)]
        return {**result, **reply}

    def _reports(self) -> bool:
        return self._task.args.get("on_failure") == "report"

    def _arguments(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the task's arguments, with the ports that the collection uses on this host where none are named."""
        contract = Contract(self._loader)
        values = contract.of(variables)
        defaults = {
            "ports": [str(port) for port in ports_of(contract.ports, variables["group_names"], values)],
            "ours": sorted({entry["unit"][:15] for entry in contract.ports}),  # as the kernel cuts the names of processes
        }
        return {**defaults, **self._task.args}


def _report(error: str) -> dict[str, t.Any]:
    return {"changed": False, "ansible_facts": {"cfcr_host": {"error": error}}}


def _reason(reply: dict[str, t.Any]) -> str:
    """Return why the module did not run: what the shell said, where it did not even start."""
    lines = (reply.get("module_stderr") or reply.get("module_stdout") or reply.get("msg", "")).strip().splitlines()
    return lines[-1] if lines else "the module ended without an answer"

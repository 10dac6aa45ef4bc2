# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gather the facts of a host. The controller adds the ports, the offset of the clock, and the reason if the module did not run."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible.errors import AnsibleConnectionFailure, AnsibleError

from ..plugin_utils._catalog.ports import ports_of
from ..plugin_utils._controller.clock import offset
from ..plugin_utils._controller.host_action import HostAction
from ..plugin_utils._controller.run import current_run
from ..plugin_utils._preflight.contract import Contract
from ..plugin_utils._preflight.problems import failure, last_line

_PAUSE = 1  # seconds between attempts to reach a host


class ActionModule(HostAction):
    """Run the module and return the range of the offset of the host's clock from the controller's."""

    seconds = 60  # the module changes nothing and reads little

    def answer(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the module's facts, or the reason why there are none."""
        arguments = self._arguments(variables)
        reports = arguments.get("on_failure") == "report"
        try:
            sent, reply = self._ask(arguments, variables)
        except AnsibleError as error:  # no connection, no become user, or no valid answer
            if not reports:
                raise
            return _report("unreachable: " if isinstance(error, AnsibleConnectionFailure) else "", str(error))
        received = time.time()
        if reply.get("failed"):
            return _report("", failure(reply)) if reports else reply
        facts = reply["ansible_facts"]["cfcr_host"]
        facts["clock_offset"] = offset(facts["time"], sent, received)
        reply["ansible_facts"]["cfcr_jobs"].update(run=current_run(variables)["id"], time=sent)
        return reply

    def _ask(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> tuple[float, dict[str, t.Any]]:
        """Return the time of the request and the answer. Retry a host that cannot be reached yet."""
        deadline = time.monotonic() + float(arguments.get("wait", 0))
        while True:
            sent = time.time()
            try:
                return sent, self._execute_module(module_args=arguments, task_vars=variables)
            except AnsibleConnectionFailure:
                if time.monotonic() > deadline:
                    raise
            with contextlib.suppress(AnsibleError):
                self._connection.reset()  # an old connection to a recreated host hangs
            time.sleep(_PAUSE)

    def _arguments(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the task's arguments, with the ports that the collection uses on this host as the default."""
        if "ports" in self._task.args:
            return self._task.args
        contract = Contract(self._loader)
        ports = ports_of(contract.ports, variables["group_names"], contract.of(variables))
        return {**self._task.args, "ports": [str(port) for port in ports]}


def _report(kind: str, said: str) -> dict[str, t.Any]:
    """Return the last error as the only fact of the host."""
    return {"changed": False, "ansible_facts": {"cfcr_host": {"error": kind + last_line(said)}}}

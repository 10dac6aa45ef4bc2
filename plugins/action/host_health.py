# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part of host_health: it limits the time for the answer, tries again, and reports why a host has no health."""

from __future__ import annotations

import contextlib
import socket
import time
import typing as t

from ansible.errors import AnsibleError

from ..plugin_utils._controller.clock import offset
from ..plugin_utils._controller.host_action import HostAction, RefusedAnswer
from ..plugin_utils._preflight.problems import failure, last_line

_PAUSE_SECONDS = 1
_CONNECT_SECONDS = 2
_SSH_PORT = 22
_OPTIONS = {
    "seconds": {"type": "float", "default": 5},
    "answer_seconds": {"type": "float", "default": 15},
    "confirm_seconds": {"type": "float", "default": 3},
    "on_failure": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
}


class ActionModule(HostAction):
    """Run the module, and try again if there is no answer."""

    def answer(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the module's result, or the reason why there is none."""
        _validation, options = self.validate_argument_spec(argument_spec=_OPTIONS)
        self.seconds = options["answer_seconds"]
        reports = options["on_failure"] == "report"
        attempts, deadline = 0, None
        if not self._listens():
            self._forget_connection()
        while True:
            attempts += 1
            try:
                reply = self._attempt(options, variables)
            except RefusedAnswer as error:
                if not reports:
                    raise
                return {"changed": False, "health": {"error": str(error), "attempts": attempts, "invalid": True}}
            except AnsibleError as error:  # no connection, or no privileges
                # Try once more at least: the host may be booting, and a connection from before may hang.
                deadline = deadline or time.monotonic() + options["confirm_seconds"]
                if attempts == 1 or time.monotonic() < deadline:
                    self._forget_connection()
                    time.sleep(_PAUSE_SECONDS)
                    continue
                if not reports:
                    raise
                return {"changed": False, "health": {"error": last_line(str(error)), "attempts": attempts}}
            if reply.get("failed") and reports:
                # A host that answers is not dead, whatever it says.
                return {"changed": False, "health": {"error": f"module failed: {failure(reply)}", "attempts": attempts, "invalid": True}}
            if not reply.get("failed"):
                reply["health"]["attempts"] = attempts
            return reply

    def _attempt(self, options: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Run the module once, and add the offset of the host's clock."""
        sent = time.time()
        reply = self._execute_module(module_args=options, task_vars=variables)
        if not reply.get("failed"):
            reply["health"].update(requested_at=sent, clock_offset=offset(reply["health"]["time"], sent, time.time()))
        return reply

    def _listens(self) -> bool:
        """Tell whether the host accepts connections on its SSH port. It always seems not to if it is behind a bastion."""
        if self._connection.transport != "ssh":
            return True
        address = (self._connection.get_option("host"), int(self._connection.get_option("port") or _SSH_PORT))
        try:
            socket.create_connection(address, _CONNECT_SECONDS).close()
        except OSError:
            return False
        return True

    def _forget_connection(self) -> None:
        """Make the next attempt open a new connection: a persistent one hangs if the host is gone."""
        with contextlib.suppress(AnsibleError):
            self._connection.reset()

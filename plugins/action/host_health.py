# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of host_health: it gives the host a time to answer, asks again, and says what became of a host that does not."""

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
    """Run the module, more than once where there is no answer."""

    def answer(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the module's result, or the reason why there is none."""
        _validation, options = self.validate_argument_spec(argument_spec=_OPTIONS)
        self.seconds = options["answer_seconds"]
        reports = options["on_failure"] == "report"
        asked, given_up = 0, None
        if not self._listens():
            self._forget_connection()
        while True:
            asked += 1
            try:
                reply = self._ask(options, variables)
            except RefusedAnswer as error:
                if not reports:
                    raise
                return {"changed": False, "health": {"error": str(error), "asked": asked, "refused": True}}
            except AnsibleError as error:  # no connection, or not the user that was asked for
                # Once more at least: a host may be starting, and what is left of a former connection may hang.
                given_up = given_up or time.monotonic() + options["confirm_seconds"]
                if asked == 1 or time.monotonic() < given_up:
                    self._forget_connection()
                    time.sleep(_PAUSE_SECONDS)
                    continue
                if not reports:
                    raise
                return {"changed": False, "health": {"error": last_line(str(error)), "asked": asked}}
            if reply.get("failed") and reports:
                return {"changed": False, "health": {"error": failure(reply), "asked": asked}}
            if not reply.get("failed"):
                reply["health"]["asked"] = asked
            return reply

    def _ask(self, options: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the module's result, with how far the host's clock can be from the controller's."""
        sent = time.time()
        reply = self._execute_module(module_args=options, task_vars=variables)
        if not reply.get("failed"):
            reply["health"].update(asked_at=sent, clock_offset=offset(reply["health"]["clock"], sent, time.time()))
        return reply

    def _listens(self) -> bool:
        """Tell whether the host takes connections, as far as that can be told from here: behind a bastion it cannot."""
        if self._connection.transport != "ssh":
            return True
        address = (self._connection.get_option("host"), int(self._connection.get_option("port") or _SSH_PORT))
        try:
            socket.create_connection(address, _CONNECT_SECONDS).close()
        except OSError:
            return False
        return True

    def _forget_connection(self) -> None:
        """Have the next attempt open a connection of its own: one that was kept open to a host that is gone hangs."""
        with contextlib.suppress(AnsibleError):
            self._connection.reset()

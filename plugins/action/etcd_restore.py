# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore a member of etcd: bring the snapshot from the director to the host in pieces, and run the module for the other phases."""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleActionFail

from ..module_utils._backup.artifact import SNAPSHOT
from ..module_utils._backup.work import read_piece
from ..module_utils._errors import HostError
from ..plugin_utils._backup.pieces import director_of, on_director, on_host, transfer
from ..plugin_utils._controller.host_action import HostAction

_SENDER = "cfcr.kubernetes.cluster_restore"


class ActionModule(HostAction):
    """Run the module of the same name, and validate its answer."""

    def answer(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the answer of the host."""
        if self._task.args.get("phase") != "receive":
            return self._execute_module(task_vars=variables)
        if self._task.check_mode:
            return {"changed": False, "skipped": True}
        arguments = {name: value for name, value in self._task.args.items() if name != "source"}
        try:
            if on_host(self, {**arguments, "phase": "prepare"}, variables)["received"]:
                return {"changed": False, "received": True}
            self._send(arguments, variables)
            if not on_host(self, {**arguments, "phase": "prepare"}, variables)["received"]:
                raise HostError("snapshot: found another SHA-256 after it was sent, expected that of the backup")
        except HostError as error:
            raise AnsibleActionFail(str(error)) from error
        return {"changed": True, "received": True}

    def _send(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> None:
        director, directory = director_of(self, variables), str(self._task.args["source"])

        def read(offset: int) -> str:
            if director.is_local:
                return read_piece(os.path.join(directory, SNAPSHOT), offset)
            wanted = {"phase": "read", "directory": directory, "offset": offset}
            return str(on_director(self, director, _SENDER, wanted, variables)["content"])

        def write(offset: int, content: str) -> int:
            return on_host(self, {**arguments, "phase": "append", "offset": offset, "content": content}, variables)["size"]

        transfer(int(arguments["size"]), read, write)

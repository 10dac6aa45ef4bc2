# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore a member of etcd: bring the snapshot from the director to the host in pieces, and run the module for the other phases."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail

from ..module_utils._backup.work import read_piece
from ..module_utils._errors import HostError
from ..plugin_utils._controller.director import Director
from ..plugin_utils._controller.host_action import HostAction

_MODULE = "cfcr.kubernetes.etcd_restore"
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
            if self._on_host({**arguments, "phase": "prepare"}, variables)["received"]:
                return {"changed": False, "received": True}
            self._send(arguments, variables)
            if not self._on_host({**arguments, "phase": "prepare"}, variables)["received"]:
                raise HostError("snapshot: found another SHA-256 after it was sent, expected that of the backup")
        except HostError as error:
            raise AnsibleActionFail(str(error)) from error
        return {"changed": True, "received": True}

    def _send(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> None:
        director = Director(self, self._templar.template(variables["cluster_director"]), variables)
        offset, whole = 0, int(arguments["size"])
        while offset < whole:
            content = self._read(director, str(self._task.args["source"]), offset, variables)
            size = self._on_host({**arguments, "phase": "append", "offset": offset, "content": content}, variables)["size"]
            if not offset < size <= whole:
                raise HostError(f"snapshot: found {size} bytes after byte {offset}, expected {whole} in all")
            offset = size

    def _read(self, director: Director, directory: str, offset: int, variables: dict[str, t.Any]) -> str:
        """Return a piece of the snapshot on the director."""
        if director.is_local:
            return read_piece(directory, offset)
        store = self._templar.template(variables["cluster_store"])
        reply = director.execute_module(_SENDER, {"store": store, "phase": "read", "directory": directory, "offset": offset})
        if reply.get("failed"):
            raise HostError(reply.get("msg", "the director failed"))
        return str(reply["content"])

    def _on_host(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        result = self._execute_module(module_name=_MODULE, module_args=arguments, task_vars=variables)
        if result.get("failed"):
            raise AnsibleActionFail(result.get("msg", "failed"), result=result)
        return result

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take a snapshot of etcd on a host, and bring it to the director piece by piece, so that it is never in memory as a whole."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail

from ..module_utils._backup.work import Work
from ..module_utils._errors import HostError
from ..plugin_utils._controller.director import Director
from ..plugin_utils._controller.host_action import HostAction

_MODULE = "cfcr.kubernetes.etcd_snapshot"
_RECEIVER = "cfcr.kubernetes.cluster_backup"


class ActionModule(HostAction):
    """Run the module of the same name for each phase. Nothing is left on the host, whatever happens."""

    def answer(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the answer of the host about the snapshot."""
        arguments = {name: value for name, value in self._task.args.items() if name != "destination"}
        destination = self._task.args.get("destination")
        if destination is None:
            return self._execute_module(module_args=arguments, task_vars=variables)
        if self._task.check_mode:
            return {"changed": False, "skipped": True}
        try:
            result = self._on_host({**arguments, "phase": "take"}, variables)
            self._transfer(result["snapshot"], arguments, str(destination), variables)
            return result
        except HostError as error:
            raise AnsibleActionFail(str(error)) from error
        finally:
            self._execute_module(module_name=_MODULE, module_args={**arguments, "phase": "remove"}, task_vars=variables)

    def _transfer(self, snapshot: dict[str, t.Any], arguments: dict[str, t.Any], destination: str, variables: dict[str, t.Any]) -> None:
        """Bring the snapshot to the director, which compares its hash in the next step."""
        director = Director(self, self._templar.template(variables["cluster_director"]), variables)
        offset = 0
        while offset < snapshot["size"]:
            content = self._on_host({**arguments, "phase": "read", "offset": offset}, variables)["content"]
            size = self._receive(director, destination, arguments["id"], offset, content, variables)
            if not offset < size <= snapshot["size"]:
                raise HostError(f"snapshot: found {size} bytes after byte {offset}, expected {snapshot['size']} in all")
            offset = size

    def _receive(self, director: Director, directory: str, name: str, offset: int, content: str, variables: dict[str, t.Any]) -> int:
        """Have the director add a piece, and return the size that the snapshot then has there."""
        if director.is_local:
            return Work(directory, name).append(offset, content)
        store = self._templar.template(variables["cluster_store"])
        arguments = {"store": store, "phase": "receive", "directory": directory, "id": name, "offset": offset, "content": content}
        reply = director.execute_module(_RECEIVER, arguments)
        if reply.get("failed"):
            raise HostError(reply.get("msg", "the director failed"))
        return int(reply["size"])

    def _on_host(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        result = self._execute_module(module_name=_MODULE, module_args=arguments, task_vars=variables)
        if result.get("failed"):
            raise AnsibleActionFail(result.get("msg", "failed"), result=result)
        return result

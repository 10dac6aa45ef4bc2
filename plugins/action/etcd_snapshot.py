# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take a snapshot of etcd on a host, and bring it to the director piece by piece, so that it is never in memory as a whole."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail

from ..module_utils._backup.work import Work
from ..module_utils._errors import HostError
from ..plugin_utils._backup.pieces import director_of, on_director, on_host, transfer
from ..plugin_utils._controller.host_action import HostAction

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
            result = on_host(self, {**arguments, "phase": "take"}, variables)
            self._transfer(result["snapshot"], arguments, str(destination), variables)
            return result
        except HostError as error:
            raise AnsibleActionFail(str(error)) from error
        finally:
            self._execute_module(module_args={**arguments, "phase": "remove"}, task_vars=variables)

    def _transfer(self, snapshot: dict[str, t.Any], arguments: dict[str, t.Any], destination: str, variables: dict[str, t.Any]) -> None:
        """Bring the snapshot to the director, which compares its hash in the next step."""
        director, name = director_of(self, variables), arguments["id"]

        def read(offset: int) -> str:
            return on_host(self, {**arguments, "phase": "read", "offset": offset}, variables)["content"]

        def write(offset: int, content: str) -> int:
            if director.is_local:
                return Work(destination, name).append(offset, content)
            received = {"phase": "receive", "directory": destination, "id": name, "offset": offset, "content": content}
            return int(on_director(self, director, _RECEIVER, received, variables)["size"])

        transfer(snapshot["size"], read, write)

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A snapshot that goes between a host and the director in pieces, so that it is never in memory as a whole."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail

from ...module_utils._errors import HostError
from .._controller.director import Director
from .._controller.host_action import HostAction

__all__ = ("director_of", "on_director", "on_host", "transfer")

Variables = t.Dict[str, t.Any]


def transfer(whole: int, read: t.Callable[[int], str], write: t.Callable[[int, str], int]) -> None:
    """Read pieces from an offset on, and write them. Each write returns the size that is there."""
    offset = 0
    while offset < whole:
        size = write(offset, read(offset))
        if not offset < size <= whole:
            raise HostError(f"snapshot: found {size} bytes after byte {offset}, expected {whole} in all")
        offset = size


def on_host(action: HostAction, arguments: Variables, variables: Variables) -> Variables:
    """Run the module of the task with other arguments, and fail if it fails."""
    result = action._execute_module(module_args=arguments, task_vars=variables)
    if result.get("failed"):
        raise AnsibleActionFail(result.get("msg", "failed"), result=result)
    return result


def director_of(action: HostAction, variables: Variables) -> Director:
    """Return the director."""
    return Director(action, action._templar.template(variables["cluster_director"]), variables)


def on_director(action: HostAction, director: Director, module: str, arguments: Variables, variables: Variables) -> Variables:
    """Run a module that needs the store on the director, and fail if it fails."""
    reply = director.execute_module(module, {"store": action._templar.template(variables["cluster_store"]), **arguments})
    if reply.get("failed"):
        raise HostError(reply.get("msg", "the director failed"))
    return reply

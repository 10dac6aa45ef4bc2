# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a module on the director within an action for another host, as delegate_to does for a whole task."""

from __future__ import annotations

import os
import typing as t

from ansible import constants as C
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.parsing.convert_bool import boolean

from ...module_utils._errors import HostError
from .interpreter import search_silently
from .local import runs_locally

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

__all__ = ("Director", "validated")


def validated(spec: dict[str, t.Any], arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the arguments of a module as validated options."""
    done = ArgumentSpecValidator(spec).validate(arguments)
    if done.error_messages:
        raise HostError("; ".join(done.error_messages))
    return done.validated_parameters


class Director:
    """The host with the store, from the view of an action."""

    def __init__(self, action: ActionBase, host: str, task_vars: dict) -> None:
        self._action = action
        self._host = host
        task = action._task.copy()
        task.delegate_to = host
        found, _name = task.get_variable_manager().get_delegated_vars_and_hostname(action._templar, task, task_vars)
        self._vars = {**found["ansible_delegated_vars"][host], "inventory_hostname": host}
        search_silently(self._vars)
        self._templar = action._templar.copy_with_new_env(available_variables=self._vars)
        # Since ansible-core 2.21, the task itself has the connection to its host in place of the keyword.
        self._connection_name = self._get("ansible_connection", (task._parent or task).connection)
        self._become = boolean(self._get("ansible_become", action._task.become))

    @property
    def is_local(self) -> bool:
        """Return whether a module would run as the same user on the same host: then the action needs neither a process nor a connection."""
        return runs_locally(self._connection_name, self._become, self._get("ansible_become_user", self._action._task.become_user))

    def execute_module(self, name: str, arguments: dict) -> dict:
        """Run a module on the director and return its result."""
        action, loaders = self._action, self._action._shared_loader_obj
        task = action._task.copy()
        task.delegate_to = None  # the variables below are those of the director
        play_context = action._play_context.copy()
        play_context.remote_addr = self._get("ansible_host", self._host)
        connection = loaders.connection_loader.get(
            self._connection_name, play_context, new_stdin=None, task_uuid=task._uuid, ansible_playbook_pid=str(os.getppid())
        )
        if connection is None:
            raise AnsibleActionFail(f"director {self._host}: found no connection plugin {self._connection_name}")
        keys = {**task.dump_attrs(), "timeout": play_context.timeout}
        keys.pop("retries")
        if play_context.password:
            keys["password"] = play_context.password
        self._set_options(connection, "connection", keys)
        self._set_options(connection._shell, "shell", keys)
        if self._become:
            method = self._get("ansible_become_method", task.become_method) or C.DEFAULT_BECOME_METHOD
            connection.set_become_plugin(loaders.become_loader.get(method))
            if play_context.become_pass:
                keys["become_pass"] = play_context.become_pass
            self._set_options(connection.become, "become", keys)
        runner = loaders.action_loader.get(
            "ansible.builtin.normal",
            task=task,
            connection=connection,
            play_context=play_context,
            loader=action._loader,
            templar=self._templar,
            shared_loader_obj=loaders,
        )
        try:
            return runner._execute_module(module_name=name, module_args=arguments, task_vars=self._vars)
        except AnsibleConnectionFailure as error:  # the director is unreachable, not this host
            raise AnsibleActionFail(f"director {self._host} cannot be reached: {error}") from error
        finally:
            connection.close()

    def _get(self, variable: str, default: t.Any) -> t.Any:
        """Return a variable of the director."""
        return self._templar.template(self._vars[variable]) if self._vars.get(variable) is not None else default

    def _set_options(self, plugin: t.Any, kind: str, keys: dict) -> None:
        """Set the options of a plugin from the variables of the director."""
        names = C.config.get_plugin_vars(kind, plugin._load_name)
        plugin.set_options(task_keys=keys, var_options={name: self._get(name, None) for name in names if name in self._vars})

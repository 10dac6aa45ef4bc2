# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bases of actions on the credential store. They run in the same process if the controller is the director, else as a module."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ...module_utils._errors import HostError
from ...module_utils._pki.x509 import CRYPTOGRAPHY_ERROR
from ...module_utils._store.options import find_backend, open_store
from ...module_utils._store.store import Backend, Store
from .local import is_local

__all__ = ("BackendAction", "StoreAction")


class StoreAction(ActionBase):
    """An action that does the work of its module in process if possible, which saves half a second for packing and starting it."""

    TRANSFERS_FILES = False

    spec: dict[str, t.Any]

    def keep(self, store: Store, options: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
        """Do the work of the module and return its result."""
        raise NotImplementedError

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result."""
        result = super().run(tmp, task_vars)
        if CRYPTOGRAPHY_ERROR or not is_local(self):  # the Python of modules may have the library
            return {**result, **self._execute_module(task_vars=task_vars)}
        _validation, options = self.validate_argument_spec(argument_spec=self.spec)
        try:
            return {**result, **self.keep(open_store(options), options, self._task.check_mode)}
        except HostError as error:
            raise AnsibleActionFail(str(error)) from error


class BackendAction(ActionBase):
    """An action on a document of the store's backend that is no record, and so needs no passphrase and no library."""

    TRANSFERS_FILES = False

    spec: dict[str, t.Any]

    def operate(self, backend: Backend, options: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
        """Do the work of the module and return its result."""
        raise NotImplementedError

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result."""
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=self.spec)
        return {**result, **self.result_of(options, task_vars)}

    def result_of(self, options: dict[str, t.Any], task_vars: dict[str, t.Any] | None, module_args: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the result in this process or, on another director, of the module with these arguments, by default those of the task."""
        if not is_local(self):
            return self._execute_module(module_args=module_args, task_vars=task_vars)
        try:
            return self.operate(find_backend(options["store"]), options, self._task.check_mode)
        except HostError as error:
            raise AnsibleActionFail(str(error)) from error

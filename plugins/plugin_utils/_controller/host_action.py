# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of the actions of all modules that run on hosts: it limits the time for an answer, and validates the answer before anything reads it."""

from __future__ import annotations

import json
import re
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from .._deadline import deadline
from .answers import NoAnswer, check_size, read
from .shapes import InvalidAnswer, Prose

__all__ = ("HostAction", "RefusedAnswer")

_COLLECTION = "cfcr.kubernetes."
_INTERPRETER = re.compile(r"/[A-Za-z0-9._/+-]{1,255}")
_SECONDS = 1800  # the default of cluster_answer_seconds, where no role has defined it


class RefusedAnswer(AnsibleActionFail):
    """A host's answer is not one that its module gives."""

    def __init__(self, error: InvalidAnswer) -> None:
        """Take what is wrong with it."""
        super().__init__(f"no valid answer: {error}")


class HostAction(ActionBase):
    """Run the module of the task's name on a host. An action that does more has an answer of its own."""

    TRANSFERS_FILES = False

    seconds: float | None = None  # for the answer to one module, if it is less than cluster_answer_seconds

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return what the task is to return."""
        result = super().run(tmp, task_vars)
        return {**result, **self.answer(task_vars or {})}

    def answer(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return what the host answers."""
        return self._execute_module(task_vars=variables)

    def _execute_module(self, module_name: str | None = None, module_args: t.Any = None, *, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Run a module on the host and return its validated answer."""
        self._module = (module_name or self._task.action).removeprefix(_COLLECTION)
        self._arguments = self._task.args if module_args is None else module_args
        most = float(self._templar.template(task_vars.get("cluster_answer_seconds", _SECONDS)))
        with deadline(most if self.seconds is None else min(most, self.seconds)):
            answer = super()._execute_module(module_name=module_name, module_args=module_args, task_vars=task_vars)
        # Ansible keeps the interpreter that it found, or it would look for one in every task.
        interpreter = self._discovered_interpreter_key and answer["ansible_facts"][self._discovered_interpreter_key]
        if interpreter and not _INTERPRETER.fullmatch(interpreter):
            raise RefusedAnswer(InvalidAnswer("interpreter", interpreter, "the absolute path of one"))
        return answer

    def _parse_returned_data(self, res: t.Mapping[str, t.Any], *options: t.Any) -> t.Any:
        """Have Ansible parse only what is left of the answer after validation."""
        return super()._parse_returned_data({**res, **self._validated(res)}, *options)

    def _validated(self, res: t.Mapping[str, t.Any]) -> dict[str, str]:
        """Return the output of the module, with an answer that is valid, or none if the module has crashed."""
        try:
            check_size(self._module, res["stderr"])
            return {"stdout": json.dumps(read(self._module, self._arguments, res["stdout"])), "stderr": ""}
        except NoAnswer as error:
            if res["rc"] == 0:
                raise RefusedAnswer(error) from None
            return {output: Prose()(res[output], output) for output in ("stdout", "stderr")}  # Python says in it what went wrong
        except InvalidAnswer as error:
            raise RefusedAnswer(error) from None

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of the actions of all modules that run on hosts. It limits the time for an answer, and validates the answer before anything reads it."""

from __future__ import annotations

import contextlib
import json
import re
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from .answers import NoAnswer, check_output, read
from .deadline import TooLargeError, deadline
from .interpreter import search_silently
from .shapes import InvalidAnswer, Prose

__all__ = ("HostAction", "RefusedAnswer")

_COLLECTION = "cfcr.kubernetes."
_INTERPRETER = re.compile(r"/[A-Za-z0-9._/+-]{1,255}")
_CLEANUP_SECONDS = 30
_SECONDS = 1800  # the default of cluster_answer_seconds, for plays in which no role defines it


class RefusedAnswer(AnsibleActionFail):
    """The answer of a host does not have the shape of its module's answer."""

    def __init__(self, error: InvalidAnswer) -> None:
        """Take the error of the validation."""
        super().__init__(f"no valid answer: {error}")


class HostAction(ActionBase):
    """Run the module of the task on a host. An action that does more overrides answer()."""

    TRANSFERS_FILES = False

    seconds: float | None = None  # for the answer to one module, if it is less than cluster_answer_seconds

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the result of the task."""
        result = super().run(tmp, task_vars)
        return {**result, **self.answer(task_vars or {})}

    def answer(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the answer of the host."""
        return self._execute_module(task_vars=variables)

    def cleanup(self, force: bool = False) -> None:
        """Remove Ansible's temporary files on the host, unless the host does not answer in time."""
        with contextlib.suppress(AnsibleError), deadline(_CLEANUP_SECONDS):
            super().cleanup(force)

    def _execute_module(self, module_name: str | None = None, module_args: t.Any = None, *, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Run a module on the host and return its validated answer."""
        self._module = (module_name or self._task.action).removeprefix(_COLLECTION)
        self._arguments = self._task.args if module_args is None else module_args
        search_silently(task_vars)
        most = self._most_seconds(task_vars)
        try:
            with deadline(most if self.seconds is None else min(most, self.seconds)), self._limited():
                answer = super()._execute_module(module_name=module_name, module_args=module_args, task_vars=task_vars)
        except TooLargeError as error:
            raise RefusedAnswer(InvalidAnswer("", str(error), "less")) from None
        # Ansible keeps the interpreter that it found, so that it need not search for one in every task.
        interpreter = self._discovered_interpreter_key and answer["ansible_facts"][self._discovered_interpreter_key]
        if interpreter and not _INTERPRETER.fullmatch(interpreter):
            raise RefusedAnswer(InvalidAnswer("interpreter", interpreter, "the absolute path of one"))
        return answer

    def _most_seconds(self, variables: dict[str, t.Any]) -> float:
        """Return cluster_answer_seconds."""
        return float(self._templar.template(variables.get("cluster_answer_seconds", _SECONDS)))

    @contextlib.contextmanager
    def _limited(self) -> t.Iterator[None]:
        """Check the size of every output of the host before Ansible splits it into lines."""
        connection, execute = self._connection, self._connection.exec_command

        def checked(*arguments: t.Any, **options: t.Any) -> tuple[int, bytes, bytes]:
            code, output, errors = execute(*arguments, **options)
            try:
                for stream in (output, errors):
                    check_output(self._module, stream if isinstance(stream, bytes) else b"")
            except InvalidAnswer as error:
                raise RefusedAnswer(error) from None
            return code, output, errors

        connection.exec_command = checked
        try:
            yield
        finally:
            del connection.exec_command

    def _parse_returned_data(self, res: t.Mapping[str, t.Any], *options: t.Any) -> t.Any:
        """Have Ansible parse only the validated answer, so that no other output of the host reaches its parser."""
        return super()._parse_returned_data({**res, "stdout": json.dumps(self._validated(res)), "stderr": ""}, *options)

    def _validated(self, res: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Return the answer, or the failure of a crashed module with the message of Python."""
        try:
            return read(self._module, self._arguments, res["stdout"])
        except NoAnswer as error:
            if res["rc"] == 0:
                raise RefusedAnswer(error) from None
            said = res["stderr"].strip() or res["stdout"].strip() or "nothing"
            return {"failed": True, "msg": f"the module exited with code {int(res['rc'])}:\n{Prose(lines=True)(said, 'stderr')}"}
        except InvalidAnswer as error:
            raise RefusedAnswer(error) from None

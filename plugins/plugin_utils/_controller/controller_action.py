# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of actions that run on the controller only. Their modules hold the documentation and are never run."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

__all__ = ("ControllerAction",)


class ControllerAction(ActionBase):
    """Validate the options, and return a result."""

    TRANSFERS_FILES = False
    _requires_connection = False

    spec: t.Mapping[str, t.Any]

    def answer(self, options: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the result for valid options."""
        raise NotImplementedError

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the result of the task."""
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=self.spec)
        return {**result, **self.answer(options, task_vars or {})}

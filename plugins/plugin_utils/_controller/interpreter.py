# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Python on hosts: with its default settings, Ansible warns about every host on which it searches for one."""

from __future__ import annotations

import typing as t

from ansible import constants as C

__all__ = ("search_silently",)

_VARIABLE = "ansible_python_interpreter"


def search_silently(variables: dict[str, t.Any]) -> None:
    """Let Ansible search for Python without a warning, unless the operator has set an interpreter or a way to search."""
    _value, origin = C.config.get_config_value_and_origin("INTERPRETER_PYTHON")
    if origin == "default":
        for its_variables in (variables, *variables.get("ansible_delegated_vars", {}).values()):
            its_variables.setdefault(_VARIABLE, "auto_silent")

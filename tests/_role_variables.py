# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables of roles, rendered as in a run."""

from __future__ import annotations

import pathlib
import typing as t

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

__all__ = ("renderer",)

ROLES = pathlib.Path(__file__).parents[1] / "roles"


def renderer(*paths: str) -> t.Callable[..., t.Any]:
    """Return a function that renders an expression with the variables in these files below roles/, and with others."""
    loader = DataLoader()
    variables: dict[str, t.Any] = {}
    for path in paths:
        variables.update(loader.load_from_file(str(ROLES / path), trusted_as_template=True))

    def render(expression: str, **others: t.Any) -> t.Any:
        return Templar(loader=loader, variables={**variables, **others}).template(trust_as_template(f"{{{{ {expression} }}}}"))

    return render

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option targets of modules, and the targets that it names."""

from __future__ import annotations

import typing as t

from .._errors import HostError
from .directory import DirectoryTarget
from .target import Target

__all__ = ("TARGETS", "open_targets")

_TYPES: dict[str, t.Callable[[dict[str, t.Any]], Target]] = {"directory": DirectoryTarget}

TARGETS: dict[str, t.Any] = {
    "type": "list",
    "elements": "dict",
    "options": {
        "type": {"type": "str", "choices": list(_TYPES), "required": True},
        "path": {"type": "str"},
    },
    "required_if": [("type", "directory", ("path",))],
}


def open_targets(options: t.Sequence[dict[str, t.Any]]) -> list[Target]:
    """Return the targets. No request is made."""
    if not options:
        raise HostError("targets: found none, expected one or more, such as {type: directory, path: /var/backups}")
    targets = [_TYPES[its["type"]](its) for its in options]
    names = [target.name for target in targets]
    for name in names:
        if names.count(name) > 1:
            raise HostError(f"targets: found {name} twice, expected different ones")
    return targets

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option targets of modules, and the targets that it names."""

from __future__ import annotations

import typing as t

from .._errors import HostError
from .directory import DirectoryTarget
from .s3 import S3Target
from .sftp import SftpTarget
from .target import Target

__all__ = ("TARGETS", "open_targets")

_TYPES: dict[str, t.Callable[[dict[str, t.Any]], Target]] = {"directory": DirectoryTarget, "s3": S3Target, "sftp": SftpTarget}

TARGETS: dict[str, t.Any] = {
    "type": "list",
    "elements": "dict",
    "options": {
        "type": {"type": "str", "choices": list(_TYPES), "required": True},
        "path": {"type": "str"},
        "host": {"type": "str"},
        "port": {"type": "int", "default": 22},
        "user": {"type": "str"},
        "key_path": {"type": "str", "no_log": False},
        "known_hosts_path": {"type": "str", "default": "~/.ssh/known_hosts"},
        "bucket": {"type": "str"},
        "prefix": {"type": "str", "default": ""},
        "endpoint": {"type": "str", "default": ""},
        "region": {"type": "str", "default": ""},
        "access_key": {"type": "str", "default": "", "no_log": True},
        "secret_key": {"type": "str", "default": "", "no_log": True},
        "ca_path": {"type": "str", "default": ""},
        "lock_days": {"type": "int", "default": 0},
        "lock_mode": {"type": "str", "choices": ["GOVERNANCE", "COMPLIANCE"], "default": "GOVERNANCE"},
    },
    "required_if": [
        ("type", "directory", ("path",)),
        ("type", "sftp", ("host", "user", "path", "key_path")),
        ("type", "s3", ("bucket",)),
    ],
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

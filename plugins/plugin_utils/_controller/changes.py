# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The time of the last change of a host in the current run. Worker processes share it in a file in Ansible's temporary directory."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ansible import constants

__all__ = ("changed_since", "note_change")


def note_change() -> None:
    """Note that a host was changed just now."""
    path, now = _path(), time.time()
    path.touch()
    os.utime(path, (now, now))


def changed_since(moment: float) -> bool:
    """Return whether any host was changed at or after a time, in seconds since the epoch."""
    try:
        return _path().stat().st_mtime >= moment
    except FileNotFoundError:
        return False


def _path() -> Path:
    return Path(constants.DEFAULT_LOCAL_TMP) / "cfcr-changed"

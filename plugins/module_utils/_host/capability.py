# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The capabilities of a process. In a container root has only some of them."""

from __future__ import annotations

from pathlib import Path

__all__ = ("CAP_SYS_MODULE", "CAP_SYS_RESOURCE", "has_capability")

CAP_SYS_MODULE = 16
CAP_SYS_RESOURCE = 24


def has_capability(capability: int, process: int | str = "self", root: Path = Path("/")) -> bool:
    """Return whether the capability is effective in the process."""
    status = (root / f"proc/{process}/status").read_text(encoding="ascii", errors="replace")
    return bool(int(status.partition("CapEff:")[2].split(None, 1)[0], 16) >> capability & 1)

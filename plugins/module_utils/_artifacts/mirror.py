# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a mirror as options of modules; the lookup cfcr.kubernetes.downloads returns them."""

from __future__ import annotations

__all__ = ("DOWNLOAD",)

_TEXT = {"type": "str", "required": True}
DOWNLOAD = {"path": _TEXT, "url": _TEXT, "purpose": _TEXT, "licence": _TEXT, "architecture": _TEXT, "origin": {"type": "dict", "required": True}}

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of the controls in docs/security.md, made of the verdicts of a living cluster."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import yaml

sys.path.append(str(Path(__file__).parents[2] / "tools"))

import _docs  # noqa: E402 (it lies in tools)

CONTROLS = Path(__file__).with_name("controls.yml")
PAGE = Path(__file__).parents[2] / "docs/security.md"
BEGIN, END = "<!-- made by tests/cis -->", "<!-- end of tests/cis -->"


def controls() -> list[dict[str, t.Any]]:
    """Return the controls in their order."""
    return yaml.safe_load(CONTROLS.read_text(encoding="utf-8"))


def table(verdicts: t.Mapping[str, str]) -> str:
    """Return the table in Markdown."""
    return _docs.table(("control", "subject", "verdict"), ((item["id"], item["title"], _verdict(item, verdicts)) for item in controls()))


def filled(page: str, content: str) -> str:
    """Return the page with the table replaced."""
    return _docs.filled(page, content, BEGIN, END)


def _verdict(control: dict[str, t.Any], verdicts: t.Mapping[str, str]) -> str:
    remark = f": {control['reason'].strip()}" if control.get("reason") else ""
    return f"{verdicts[control['id']]}{remark}"

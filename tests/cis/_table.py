# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of the controls in docs/security.md, made of the verdicts of a living cluster."""

from __future__ import annotations

import typing as t
from pathlib import Path

import yaml

CONTROLS = Path(__file__).with_name("controls.yml")
PAGE = Path(__file__).parents[2] / "docs/security.md"
BEGIN, END = "<!-- made by tests/cis -->", "<!-- end of tests/cis -->"


def controls() -> list[dict[str, t.Any]]:
    """Return the controls in their order."""
    return yaml.safe_load(CONTROLS.read_text(encoding="utf-8"))


def table(verdicts: t.Mapping[str, str]) -> str:
    """Return the table in Markdown."""
    lines = ["| control | subject | verdict |", "| --- | --- | --- |"]
    for control in controls():
        remark = f": {control['reason'].strip()}" if control.get("reason") else ""
        lines.append(f"| {control['id']} | {control['title']} | {verdicts[control['id']]}{remark} |")
    return "\n".join(lines)


def filled(page: str, content: str) -> str:
    """Return the page with the table replaced."""
    before, _begin, rest = page.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"Found no markers {BEGIN} and {END} in the page. Add them where the table belongs.")
    return f"{before}{BEGIN}\n{content}\n{END}{after}"

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The findings of a health report as text."""

from __future__ import annotations

import collections
import typing as t

__all__ = ("text",)

_CLUSTER = "the cluster"


def text(report: t.Mapping[str, t.Any]) -> str:
    """Return a summary line, and below it a line for each finding, in columns."""
    states = collections.Counter(host["state"] for host in report["hosts"].values())
    counted = ", ".join(f"{number} {state}" for state, number in states.items())
    took = f", checked in {report['seconds']} s" if report.get("seconds") is not None else ""
    findings = report["findings"]
    head = f"{len(findings) or 'no'} finding{'' if len(findings) == 1 else 's'}; hosts: {counted}{took}"
    columns = [
        (finding["host"] or _CLUSTER, finding["severity"], finding["kind"], _details(finding)) for finding in findings
    ]
    widths = [max(len(row[number]) for row in columns) for number in range(3)] if columns else []
    return "\n".join([head, *("  " + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[3]]) for row in columns)])


def _details(finding: t.Mapping[str, t.Any]) -> str:
    subject = "" if finding["subject"] in (finding["kind"], finding["host"]) else f"{finding['subject']}: "
    return f"{subject}found {finding['found']}, expected {finding['expected']}"

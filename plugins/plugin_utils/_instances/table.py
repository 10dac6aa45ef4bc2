# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of a cluster as a table for a terminal."""

from __future__ import annotations

import typing as t

from .._health.text import text
from .cells import COLUMNS, backup, cells, differing, rotations, update, versions

__all__ = ("aligned", "table")


def table(report: t.Mapping[str, t.Any]) -> str:
    """Return a line for each host, then the state of the cluster and the findings. Empty columns are left out."""
    rows = [cells(name, host) for name, host in report["hosts"].items()]
    shown = [column for column in COLUMNS if any(row[column] for row in rows)]
    written = aligned([{column: row[column] or "-" for column in shown} for row in rows])
    return "\n".join([*written, "", *_cluster(report), text(report)])


def aligned(rows: t.Sequence[t.Mapping[str, str]]) -> list[str]:
    """Return a line with the names of the columns, and one for each row."""
    lines = [{column: column for column in rows[0]}, *rows] if rows else []
    widths = {column: max(len(line[column]) for line in lines) for column in lines[0]} if lines else {}
    return ["  ".join(line[column].ljust(width) for column, width in widths.items()).rstrip() for line in lines]


def _cluster(report: t.Mapping[str, t.Any]) -> list[str]:
    cluster = report["cluster"]
    endpoint, etcd = cluster["endpoint"], cluster["etcd"]
    answered = "does not answer" if endpoint["problem"] else f"answered in {endpoint['seconds']:g} s"
    return [
        f"endpoint  {endpoint['url'] or 'unknown'}, {answered}",
        f"etcd      {etcd['healthy']} of {etcd['voters']} members, {etcd['needed']} needed, leader {etcd['leader'] or 'unknown'}",
        *(f"versions  {line}" for line in [versions(cluster)] if line),
        *(f"update    {line}" for line in [update(cluster)] if line),
        *(f"backup    {line}" for line in [backup(cluster)] if line),
        *(f"differs   {line}" for line in differing(report["hosts"])),
        *(f"rotation  {line}" for line in rotations(cluster)),
    ]

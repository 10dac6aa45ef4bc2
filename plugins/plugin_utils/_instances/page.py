# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of a cluster as one self-contained HTML page, without scripts or network access."""

from __future__ import annotations

import collections
import datetime
import typing as t
from pathlib import Path

import jinja2

from .cells import COLUMNS, backup, cells, differing, failing, rotations, update
from .certificate_timeline import timeline
from .topology import TILE_HEIGHT, TILE_WIDTH, picture

__all__ = ("page",)

_TEMPLATES = Path(__file__).parent
# A state has a sign as well as a colour.
_SIGNS = {"healthy": "✓", "failing": "!", "unreachable": "✕", "ignored": "–", "removed": "–", "warning": "!", "critical": "!"}
_ENDPOINTS = {"proxy": "endpoint", "iaas_lb": "load balancer of the IaaS", "cf_routing": "Cloud Foundry's TCP routers"}
_TITLES = {"certificates": "certificates expire in"}

Values = t.Mapping[str, t.Any]


def page(report: Values, cluster: Values, now: datetime.datetime) -> str:
    """Return the page, with all values of the report escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, loader=jinja2.FileSystemLoader(_TEMPLATES), trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.j2").render(**_view(report, cluster, now))


def _view(report: Values, cluster: Values, now: datetime.datetime) -> dict[str, t.Any]:
    hosts = report["hosts"]
    rows = {name: cells(name, host) for name, host in hosts.items()}
    groups: dict[str, list[str]] = {}
    for name, host in hosts.items():
        groups.setdefault(host["group"], []).append(name)
    return {
        "cluster": {"name": "", "topology": "proxy", "certificate_expires_within_days": 60, **cluster},
        "time": now.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "seconds": report.get("seconds"),
        "signs": _SIGNS,
        "states": collections.Counter(host["state"] for host in hosts.values()),
        "overall": _overall(report),
        "findings": report["findings"],
        "versions": sorted({node["version"] for node in (report["cluster"]["nodes"] or {}).values() if node["version"]}),
        "endpoint": {**report["cluster"]["endpoint"], "kind": _ENDPOINTS.get(cluster.get("topology", "proxy"), "endpoint")},
        "etcd": report["cluster"]["etcd"],
        "rotations": rotations(report["cluster"]),
        "differing": differing(hosts),
        "update": update(report["cluster"]),
        "backup": backup(report["cluster"]),
        "members": [(name, {"etcd": None, **host}) for name, host in hosts.items() if host["group"] == "etcd"],
        "hosts": hosts,
        "rows": rows,
        "columns": [(column, _TITLES.get(column, column)) for column in COLUMNS if any(row[column] for row in rows.values())],
        "lines": {name: _line(row, hosts[name]) for name, row in rows.items()},
        "picture": picture(groups),
        "tile": {"width": TILE_WIDTH, "height": TILE_HEIGHT},
        "timeline": timeline(report, int(cluster.get("certificate_expires_within_days", 60))),
    }


def _overall(report: Values) -> str:
    if any(finding["severity"] == "critical" for finding in report["findings"]):
        return "failing"
    return "warning" if report["findings"] else "healthy"


def _line(row: t.Mapping[str, str], host: Values) -> str:
    """Return the third line of a host's tile: the most important fact about it."""
    if "units" not in host:
        return "invalid answer" if host["state"] == "failing" else host["state"]
    if unhealthy := failing(host["units"]):
        return f"failing: {unhealthy[0]}" + (f" +{len(unhealthy) - 1}" if len(unhealthy) > 1 else "")
    return row["etcd"] or row["node"] or (f"{row['units']} units" if row["units"] else "")

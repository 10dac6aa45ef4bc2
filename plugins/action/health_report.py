# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the report of a cluster's health of what its hosts and its API said."""

from __future__ import annotations

import time
import typing as t

from ansible.plugins.action import ActionBase

from ..plugin_utils._contract import Contract
from ..plugin_utils._health_findings import Limits
from ..plugin_utils._health_report import Host, report
from ..plugin_utils._health_text import text

_GROUPS = ("proxy", "master", "worker", "etcd", "director")
_IGNORED = "ignored"
_OPTIONS = {
    "hosts": {"type": "dict", "required": True},
    "api": {"type": "dict", "required": True},
    "disk_percent": {"type": "int", "default": 85},
    "memory_percent": {"type": "int", "default": 95},
    "clock_skew": {"type": "float", "default": 2.0},
    "certificate_days": {"type": "int", "default": 60},
}


class ActionModule(ActionBase):
    """Collect plain values, judge them, and return the report. Nothing is asked any more."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the report."""
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=_OPTIONS)
        variables = task_vars or {}
        groups = variables["groups"]
        limits = Limits(**{name: options[name] for name in ("disk_percent", "memory_percent", "clock_skew", "certificate_days")})
        asked = {name: health or {"error": "no answer", "asked": 1} for name, health in options["hosts"].items()}
        made = report(self._hosts(asked, variables), options["api"], limits, len(groups.get("etcd", [])))
        begin = min((health["asked_at"] for health in asked.values() if "asked_at" in health), default=None)
        made["seconds"] = round(time.time() - begin, 1) if begin else None
        return {**result, "changed": False, **made, "text": text(made)}

    def _hosts(self, asked: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, Host]:
        """Return the hosts that were asked and those that are ignored, in the order of the groups."""
        contract, groups, hosts = Contract(self._loader), variables["groups"], {}
        for group in _GROUPS:
            for index, name in enumerate(groups.get(group, [])):
                if name in asked or name in groups.get(_IGNORED, []):
                    values = contract.of(variables["hostvars"].raw_get(name))
                    health = None if name in groups.get(_IGNORED, []) else asked[name]
                    hosts[name] = Host(group, index, values["cluster_host_address"], values["cluster_zone"], health)
        return hosts

# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take, renew and release the lock of a cluster. The controller identifies this run and finds dead holders."""

from __future__ import annotations

import typing as t

from ..module_utils._store.lock import SPEC, operate
from ..plugin_utils._controller.run import current_run, is_gone
from ..plugin_utils._controller.store_action import BackendAction


class ActionModule(BackendAction):
    """Do what the module of the same name does, in this process if the director is the controller."""

    spec = SPEC
    operate = staticmethod(operate)

    def result_of(self, options: dict[str, t.Any], task_vars: dict[str, t.Any] | None, module_args: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the result, with this run as the holder."""
        options["holder"] = current_run(task_vars or {})
        if options["state"] != "absent":
            # Only the controller sees whether its processes are alive.
            query = {**options, "state": "query"}
            current = super().result_of(query, task_vars, query)
            if current.get("failed") or current.get("unreachable"):
                return current
            if is_gone(current["holder"]):
                options["gone"] = current["holder"]["id"]
        return super().result_of(options, task_vars, options)

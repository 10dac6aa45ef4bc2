# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the tasks of a run and their results on every host as JSON lines to the file in BENCH_EVENTS."""

from __future__ import annotations

import json
import os
import time

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: bench_events
type: notification
short_description: Write the events of a run as JSON lines
description: A part of tools/bench.
"""

# The floor repeats the work of these modules from these arguments.
RECORDED = {
    "cfcr.kubernetes.job": ("packages", "units"),
    "cfcr.kubernetes.etcd_auth": ("roles", "users"),
    "cfcr.kubernetes.etcd_key": ("key", "value"),
    "cfcr.kubernetes.manifest": ("objects",),
}


class CallbackModule(CallbackBase):
    """Writes the start of every task, and the result of every host."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "bench_events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._stream = open(os.environ["BENCH_EVENTS"], "w", encoding="utf-8", buffering=1)

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._write("task", name=task.get_name(), action=task.action)

    def v2_playbook_on_handler_task_start(self, task):
        self._write("task", name=task.get_name(), action=task.action)

    def v2_playbook_on_stats(self, stats):
        self._write("end")

    def v2_runner_on_ok(self, result):
        self._result(result, "changed" if result.result.get("changed") else "ok")

    def v2_runner_on_skipped(self, result):
        self._result(result, "skipped")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._result(result, "failed")

    def v2_runner_on_unreachable(self, result):
        self._result(result, "failed")

    def _result(self, result, outcome):
        # The arguments of the task: an action returns only what it has validated of a host's answer.
        given = result.task_fields["args"] if result.task.action in RECORDED else {}
        arguments = {name: given[name] for name in RECORDED.get(result.task.action, ()) if name in given}
        for user in arguments.get("users", []):
            user.pop("password", None)
        self._write("result", host=result.host.get_name(), action=result.task.action, outcome=outcome, arguments=arguments)

    def _write(self, event, **values):
        self._stream.write(json.dumps({"event": event, "time": time.monotonic(), **values}, default=str) + "\n")

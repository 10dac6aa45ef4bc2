# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Number the points at which a run can be interrupted, record them, and hold the run at one of them."""

from __future__ import annotations

import os
import pathlib
import signal

from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.store import Store

DOCUMENTATION = """
name: interruption_points
type: aggregate
short_description: Interruption points of a run
description:
  - Each task has a point before it, one after each module that it has run on a host, and one after each record that it has written to a store on
    the controller. A point is a line with the number and the name of the task; after a colon, a phase has its host and its number.
  - Records the points in the file C(CFCR_POINTS_RECORD).
  - At the point C(CFCR_POINTS_HOLD) it creates the file C(CFCR_POINTS_REACHED), and waits to be killed.
"""

TASK = {"number": 0, "name": "", "phases": 0}


def reach(point: str) -> None:
    """Record a point. At the chosen one, wait for the end."""
    if "CFCR_POINTS_RECORD" in os.environ:
        with open(os.environ["CFCR_POINTS_RECORD"], "a", encoding="utf-8") as record:
            record.write(f"{point}\n")
    if point == os.environ.get("CFCR_POINTS_HOLD"):
        pathlib.Path(os.environ["CFCR_POINTS_REACHED"]).touch()
        while True:
            signal.pause()


def reach_phase(host: str) -> None:
    """Reach the next phase of the task. Each host has a process, which counts for itself."""
    TASK["phases"] += 1
    reach(f"{TASK['number']:03} {TASK['name']}: {host} {TASK['phases']}")


def hold_after_modules() -> None:
    execute = ActionBase._execute_module

    def execute_and_reach(self, *arguments, **options):
        result = execute(self, *arguments, **options)
        reach_phase((options.get("task_vars") or {}).get("inventory_hostname", "localhost"))
        return result

    ActionBase._execute_module = execute_and_reach


def hold_after_records() -> None:
    write = Store._write

    def write_and_reach(self, *arguments, **options):
        write(self, *arguments, **options)
        reach_phase("store")

    Store._write = write_and_reach


class CallbackModule(CallbackBase):
    """Reach a point before each task, and patch what ends a phase, before the processes of the hosts are forked."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "interruption_points"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        hold_after_modules()
        hold_after_records()

    def v2_playbook_on_task_start(self, task, is_conditional) -> None:
        TASK.update(number=TASK["number"] + 1, name=task.get_name(), phases=0)
        reach(f"{TASK['number']:03} {TASK['name']}")

    def v2_playbook_on_handler_task_start(self, task) -> None:
        self.v2_playbook_on_task_start(task, False)

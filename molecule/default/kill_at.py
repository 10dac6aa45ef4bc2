"""Run site.yml, and kill the run when it reaches a task: kill_at.py TASK."""

from __future__ import annotations

import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from playbook import Run  # noqa: E402  it lies in the directory of the scenarios

# Make SIGTERM an exception, so that Run.kill_at ends the run if the scenario is interrupted.
signal.signal(signal.SIGTERM, signal.default_int_handler)
Run("site.yml").kill_at(sys.argv[1])
